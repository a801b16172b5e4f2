/**
 * Certificate requests (PKCS #10), as they stand in CertificateSigningRequests: the one place where they are read, for validation, admission,
 * approval and signing. Whatever the bytes are, reading takes some milliseconds per megabyte and ends with a request or a `DerError`.
 *
 * Source: RFC 2986; kubernetes `pkg/apis/certificates/helpers.go` (ParseCSR); Go's `crypto/x509` (ParseCertificateRequest).
 */
import { type AlternativeNames, readAlternativeNames } from './alternative-names.ts';
import {
  bitStringBytes,
  checkInteger,
  type DerElement,
  DerError,
  DerReader,
  oidText,
  onlyElement,
  structureError,
  tags,
} from './der.ts';
import { decodePem } from './pem.ts';
import { type PublicKey, readPublicKey } from './public-key.ts';
import { checkSignature, signatureAlgorithm } from './signature.ts';
import { readSubject, type Subject } from './subject.ts';

/** A PKCS#10 certificate request that has been read. Source: RFC 2986. */
export interface CertificateRequest {
  subject: Subject;
  names: AlternativeNames;
  publicKey: PublicKey;
  /** @throws DerError when it was not signed with the key of {@link publicKey} */
  checkSignature(): void;
}

/** Limit per request: far above any real one, and small enough to parse within milliseconds. */
const maxElements = 10_000;
const extensionRequest = '2a864886f70d01090e';
const subjectAlternativeName = '551d11';

/** @param base64 of a text in PEM, as `spec.request` holds it @throws DerError */
export function parseCertificateRequest(base64: string): CertificateRequest {
  const found = decodePem(Buffer.from(base64, 'base64').toString('latin1'));
  if (found?.block.type !== 'CERTIFICATE REQUEST') throw new DerError('PEM block type must be CERTIFICATE REQUEST');
  return readCertificateRequest(found.block.bytes);
}

/** @param bytes DER @throws DerError */
export function readCertificateRequest(bytes: Buffer): CertificateRequest {
  const whole = onlyElement(bytes, tags.sequence, 'certificateRequest', { left: maxElements }).reader();
  const signed = whole.expect(tags.sequence, 'tbsCertificateRequest');
  const algorithm = signatureAlgorithm(whole.expect(tags.sequence, 'AlgorithmIdentifier'));
  const signature = bitStringBytes(whole.expect(tags.bitString, 'BitString'));
  const fields = signed.reader();
  checkInteger(fields.expect(tags.integer, 'int'));
  const name = fields.expect(tags.sequence, 'RDNSequence');
  const info = fields.expect(tags.sequence, 'publicKeyInfo');
  const attributes = fields.expect(0xa0);
  const publicKey = readPublicKey(info);
  const subject = readSubject(name);
  return {
    subject,
    names: requestedNames(attributes),
    publicKey,
    checkSignature: () => checkSignature(algorithm, publicKey, signed.raw, signature),
  };
}

/** All extensions but the names are ignored: a signer decides about them. */
function requestedNames(attributes: DerElement): AlternativeNames {
  const seen = new Set<string>();
  let names: AlternativeNames = { dnsNames: [], emailAddresses: [], ipAddresses: [], uris: [] };
  const all = attributes.reader();
  while (!all.isAtEnd) {
    const extensions = requestedExtensions(all.next());
    while (extensions?.isAtEnd === false) {
      const { oid, value } = readExtension(extensions.expect(tags.sequence, 'Extension'));
      if (seen.has(oid)) throw new DerError('x509: certificate request contains duplicate requested extensions');
      seen.add(oid);
      if (oid === subjectAlternativeName) names = readAlternativeNames(value);
    }
  }
  return names;
}

/** Undefined: another attribute, or one that cannot be read, which is ignored. */
function requestedExtensions(attribute: DerElement): DerReader | undefined {
  let first: DerElement;
  try {
    const fields = attribute.reader();
    if (attribute.tag !== tags.sequence || oidText(fields.expect(tags.oid)) !== extensionRequest) return undefined;
    first = fields.expect(tags.set).reader().next();
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
  if (first.tag !== tags.sequence) throw structureError('requested extensions are no sequence');
  return first.reader();
}

function readExtension(extension: DerElement): { oid: string; value: Buffer } {
  const fields = extension.reader();
  const oid = oidText(fields.expect(tags.oid, 'ObjectIdentifier'));
  const next = fields.next();
  const value = next.tag === 0x01 ? fields.expect(tags.octetString) : next; // `critical` comes between them, where it is there
  if (value.tag !== tags.octetString) throw new DerError('x509: malformed extension');
  return { oid, value: value.content };
}
