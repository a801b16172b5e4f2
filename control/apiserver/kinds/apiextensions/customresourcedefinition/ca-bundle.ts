/** The CA bundle of a conversion webhook. Source: apiserver `pkg/util/webhook/validation.go` (ValidateCABundle). */
import { X509Certificate } from 'node:crypto';
import { pemCertificates } from '../../../serving/pem-certificates.ts';

/** Whether it is absent, or has certificates that can be read. @param bundle base64 of PEM */
export function hasUsableCa(bundle: string | undefined): boolean {
  if (bundle === undefined || bundle === '') return true;
  const certificates = pemCertificates(Buffer.from(bundle, 'base64').toString('latin1'));
  return certificates.length > 0 && certificates.every(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).serialNumber !== '';
  } catch {
    return false; // No certificate is what the caller asks about.
  }
}
