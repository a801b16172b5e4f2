/**
 * Signs certificate requests with the cluster's CA. Of the request come key, subject and alternative names, and nothing else: whatever
 * extensions it asks for, the certificate is no CA's, and good for just the usages that are given.
 *
 * Source: upstream `pkg/controller/certificates/authority` (PermissiveSigningPolicy); RFC 5280.
 */
import 'reflect-metadata'; // which @peculiar/x509's dependency injection needs
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { writeAlternativeNames } from '#api/x509/alternative-names.ts';
import type { CertificateRequest } from '#api/x509/certificate-request.ts';
import { encodePem } from '#api/x509/pem.ts';
import { type Subject, subjectParts } from '#api/x509/subject.ts';
import { importKey, type KeyPair, serialNumber, signingAlgorithm } from './certificates.ts';

/** What a certificate is good for, and when. */
export interface SigningTerms {
  /** As requests name them: `client auth`. */
  usages: readonly string[];
  notBeforeMs: number;
  notAfterMs: number;
}

/** Signs certificate requests with the cluster's CA. @throws (its methods) Error when the request is malformed */
export interface RequestSigner {
  /** When the CA's own certificate ends. */
  readonly notAfterMs: number;
  /** @returns PEM @throws Error for usages that nobody knows */
  sign(request: CertificateRequest, terms: SigningTerms): Promise<string>;
}

/** @throws Error for what is no certificate and key */
export async function createRequestSigner(authority: KeyPair): Promise<RequestSigner> {
  const issuer = new X509Certificate(authority.certificate);
  const signingKey = await importKey(authority.key);
  const issuerKeyId = issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  return {
    notAfterMs: issuer.notAfter.getTime(),
    async sign({ subject, names, publicKey }, { usages, notBeforeMs, notAfterMs }) {
      const { flags, purposes } = usagesOf(usages);
      const parts = subjectOf(subject);
      const alternativeNames = writeAlternativeNames(names);
      const certificate = await X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: new Name(parts),
        issuer: issuer.subjectName,
        notBefore: new Date(notBeforeMs),
        notAfter: new Date(notAfterMs),
        signingAlgorithm,
        publicKey: publicKey.info,
        signingKey,
        extensions: [
          ...(flags === noFlags ? [] : [new KeyUsagesExtension(flags, true)]),
          ...(purposes.length === 0 ? [] : [new ExtendedKeyUsageExtension(purposes)]),
          new BasicConstraintsExtension(false, undefined, true),
          ...(issuerKeyId === undefined ? [] : [new AuthorityKeyIdentifierExtension(issuerKeyId)]),
          // Critical where they are all that names the subject.
          ...(alternativeNames === undefined ? [] : [new Extension('2.5.29.17', parts.length === 0, alternativeNames)]),
        ],
      });
      return encodePem('CERTIFICATE', new Uint8Array(certificate.rawData));
    },
  };
}

/** Each part is one set. The type of each value is said: in plain strings, `#` and quotes would have a meaning. */
function subjectOf(subject: Subject): Record<string, TypedText[]>[] {
  return subjectParts.flatMap(([part, id]) => {
    const values = [subject[part]].flat().filter((value) => !(value === '' && typeof subject[part] === 'string'));
    return values.length === 0 ? [] : [{ [`2.5.4.${id}`]: values.map((value) => typed(value)) }];
  });
}

interface TypedText {
  printableString?: string;
  utf8String?: string;
}

const typed = (value: string): TypedText =>
  /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? { printableString: value } : { utf8String: value };

const keyUsages: Readonly<Record<string, KeyUsageFlags>> = {
  signing: KeyUsageFlags.digitalSignature,
  'digital signature': KeyUsageFlags.digitalSignature,
  'content commitment': KeyUsageFlags.nonRepudiation,
  'key encipherment': KeyUsageFlags.keyEncipherment,
  'key agreement': KeyUsageFlags.keyAgreement,
  'data encipherment': KeyUsageFlags.dataEncipherment,
  'cert sign': KeyUsageFlags.keyCertSign,
  'crl sign': KeyUsageFlags.cRLSign,
  'encipher only': KeyUsageFlags.encipherOnly,
  'decipher only': KeyUsageFlags.decipherOnly,
};

const pkix = '1.3.6.1.5.5.7.3';
/** In the order in which a certificate has them. */
const extendedUsages: readonly (readonly [usage: string, oid: string])[] = [
  ['any', '2.5.29.37.0'],
  ['server auth', `${pkix}.1`],
  ['client auth', `${pkix}.2`],
  ['code signing', `${pkix}.3`],
  ['email protection', `${pkix}.4`],
  ['s/mime', `${pkix}.4`],
  ['ipsec end system', `${pkix}.5`],
  ['ipsec tunnel', `${pkix}.6`],
  ['ipsec user', `${pkix}.7`],
  ['timestamping', `${pkix}.8`],
  ['ocsp signing', `${pkix}.9`],
  ['microsoft sgc', '1.3.6.1.4.1.311.10.3.3'],
  ['netscape sgc', '2.16.840.1.113730.4.1'],
];

const noFlags = 0;

function usagesOf(usages: readonly string[]): { flags: number; purposes: string[] } {
  const given = new Set(usages);
  const purposes = extendedUsages.filter(([usage]) => given.has(usage));
  const known = new Set([...Object.keys(keyUsages), ...purposes.map(([usage]) => usage)]);
  const unknown = usages.filter((usage) => !known.has(usage));
  if (unknown.length > 0)
    throw new Error(`unrecognized usage values: [${unknown.map((usage) => JSON.stringify(usage)).join(' ')}]`);
  const flags = usages.reduce<number>(
    (sum, usage) => sum | (Object.hasOwn(keyUsages, usage) ? (keyUsages[usage] ?? 0) : 0),
    noFlags,
  );
  return { flags, purposes: [...new Set(purposes.map(([, oid]) => oid))] };
}
