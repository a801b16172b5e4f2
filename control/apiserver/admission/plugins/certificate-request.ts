/** What a certificate signing request asks for. Source: RFC 2986 (PKCS #10). */
import 'reflect-metadata'; // which @peculiar/x509's dependency injection needs
import { Pkcs10CertificateRequest } from '@peculiar/x509';

/** The subject's CN of a request in PEM; '' where it has none. @throws Error for what is no such request */
export function requestedCommonName(pem: string): string {
  return new Pkcs10CertificateRequest(pem).subjectName.getField('CN')[0] ?? '';
}
