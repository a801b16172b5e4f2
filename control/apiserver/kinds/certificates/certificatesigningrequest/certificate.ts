/** The issued certificate of a request. Source: upstream `pkg/apis/certificates/validation/validation.go` (validateCertificate). */
import { X509Certificate } from 'node:crypto';
import { DerError, DerReader } from '#api/x509/der.ts';
import { decodePem } from '#api/x509/pem.ts';

/** What is wrong with `status.certificate`; undefined: nothing, or there is none. @param base64 of PEM blocks */
export function issuedCertificateProblem(base64: string): string | undefined {
  if (base64 === '') return undefined;
  let text = Buffer.from(base64, 'base64').toString('latin1');
  for (let blocks = 0; ; blocks++) {
    const found = decodePem(text);
    if (found === undefined) return blocks === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
    const { type, headers, bytes } = found.block;
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (headers.size > 0) return 'no PEM block headers are permitted';
    if (bytes.length === 0) return 'found CERTIFICATE PEM block containing 0 certificates';
    if (!areCertificates(bytes)) return 'x509: malformed certificate';
    text = found.rest;
  }
}

/** Whether the bytes are one or more certificates in DER, one after the other. */
function areCertificates(bytes: Buffer): boolean {
  try {
    for (const reader = new DerReader(bytes); !reader.isAtEnd; ) if (!isCertificate(reader.next().raw)) return false;
    return true;
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

function isCertificate(bytes: Buffer): boolean {
  try {
    return new X509Certificate(bytes).raw.length === bytes.length;
  } catch {
    return false; // The texts of OpenSSL's errors would not help the client.
  }
}
