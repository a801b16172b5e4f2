/** Makes certificate requests (PKCS #10). Source: RFC 2986; client-go `util/cert` (MakeCSR). */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { type AlternativeNames, writeAlternativeNames } from './alternative-names.ts';
import { derElement, tags } from './der.ts';
import { encodePem } from './pem.ts';

/** The content of a certificate request. */
export interface RequestedCertificate {
  commonName: string;
  organizations?: readonly string[];
  names?: Partial<AlternativeNames>;
}

const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
const oids = {
  commonName: hex('550403'),
  organization: hex('55040a'),
  extensionRequest: hex('2a864886f70d01090e'),
  subjectAlternativeName: hex('551d11'),
};

/** The request in PEM, signed with the key: RSA, ECDSA or Ed25519. */
export function createCertificateRequest(
  { commonName, organizations = [], names }: RequestedCertificate,
  key: KeyObject,
): string {
  const info = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const subject = derElement(
    tags.sequence,
    ...organizations.map((organization) => attribute(oids.organization, organization)),
    attribute(oids.commonName, commonName),
  );
  const signed = derElement(tags.sequence, derElement(tags.integer, hex('00')), subject, info, attributes(names));
  return encodePem('CERTIFICATE REQUEST', signedRequest(signed, key));
}

/** @param signed the element CertificationRequestInfo */
export function signedRequest(signed: Buffer, key: KeyObject): Buffer {
  const { hash, identifier } = signatureOf(key);
  const signature = derElement(tags.bitString, hex('00'), sign(hash, signed, key));
  return derElement(tags.sequence, signed, identifier, signature);
}

const attribute = (oid: Buffer, value: string): Buffer =>
  derElement(
    tags.set,
    derElement(tags.sequence, derElement(tags.oid, oid), derElement(tags.utf8String, Buffer.from(value, 'utf8'))),
  );

function attributes(names: Partial<AlternativeNames> = {}): Buffer {
  const all = { dnsNames: [], emailAddresses: [], ipAddresses: [], uris: [], ...names };
  const value = writeAlternativeNames(all);
  if (value === undefined) return derElement(0xa0);
  const extension = derElement(
    tags.sequence,
    derElement(tags.oid, oids.subjectAlternativeName),
    derElement(tags.octetString, value),
  );
  const extensions = derElement(tags.set, derElement(tags.sequence, extension));
  return derElement(0xa0, derElement(tags.sequence, derElement(tags.oid, oids.extensionRequest), extensions));
}

/** The algorithm with which the key signs: its hash for `crypto.sign`, and its name in DER. @throws Error for another type of key */
export function signatureOf({ asymmetricKeyType }: KeyObject): { hash: string | null; identifier: Buffer } {
  if (asymmetricKeyType === 'rsa') return { hash: 'sha256', identifier: hex('300d06092a864886f70d01010b0500') };
  if (asymmetricKeyType === 'ed25519') return { hash: null, identifier: hex('300506032b6570') };
  return { hash: 'sha256', identifier: hex('300a06082a8648ce3d040302') };
}
