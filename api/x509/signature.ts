/**
 * Whether a signature belongs to signed bytes and a public key.
 *
 * Source: Go's `crypto/x509` (checkSignature, getSignatureAlgorithmFromAI), whose texts the errors have.
 */
import { constants, verify } from 'node:crypto';
import { type DerElement, DerError, oidText, tags } from './der.ts';
import type { KeyAlgorithm, PublicKey } from './public-key.ts';

interface SignatureAlgorithm {
  key: KeyAlgorithm;
  /** Absent: the algorithm hashes by itself. */
  hash?: string;
  /** In bytes, of RSA-PSS. */
  saltLength?: number;
  /** Why the signature cannot be verified. */
  insecure?: string;
}

const rsa = (hash: string): SignatureAlgorithm => ({ key: 'RSA', hash });
const ecdsa = (hash: string): SignatureAlgorithm => ({ key: 'ECDSA', hash });

/** By the digits of the identifier. */
const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  '2a864886f70d010104': { key: 'RSA', hash: 'md5', insecure: 'MD5-RSA' },
  '2a864886f70d010105': rsa('sha1'),
  '2b0e03021d': rsa('sha1'),
  '2a864886f70d01010b': rsa('sha256'),
  '2a864886f70d01010c': rsa('sha384'),
  '2a864886f70d01010d': rsa('sha512'),
  '2a8648ce3d0401': ecdsa('sha1'),
  '2a8648ce3d040302': ecdsa('sha256'),
  '2a8648ce3d040303': ecdsa('sha384'),
  '2a8648ce3d040304': ecdsa('sha512'),
  '2b6570': { key: 'Ed25519' },
};
const pssOid = '2a864886f70d01010a';
/** The parameters of RSA-PSS that Go knows, each with its hash: SHA-256, SHA-384, SHA-512, with salts as long as the hash. */
const pssParameters = [
  ['sha256', 32, '01'],
  ['sha384', 48, '02'],
  ['sha512', 64, '03'],
] as const;

/** @param identifier the element AlgorithmIdentifier; undefined for an unknown algorithm @throws DerError */
export function signatureAlgorithm(identifier: DerElement): SignatureAlgorithm | undefined {
  const fields = identifier.reader();
  const oid = oidText(fields.expect(tags.oid, 'ObjectIdentifier'));
  if (oid !== pssOid) return algorithms[oid];
  const parameters = fields.isAtEnd ? '' : fields.next().raw.toString('hex');
  const known = pssParameters.find(([, salt, hash]) => parameters === pssText(hash, salt));
  return known === undefined ? undefined : { key: 'RSA', hash: known[0], saltLength: known[1] };
}

/** RSASSA-PSS-params with hash, MGF1 of the same hash, and salt length. */
function pssText(hash: string, salt: number): string {
  const hashId = `300d06096086480165030402${hash}0500`;
  return `3034a00f${hashId}a11c301a06092a864886f70d010108${hashId}a2030201${salt.toString(16).padStart(2, '0')}`;
}

const keyTypes: Readonly<Record<string, string>> = {
  RSA: '*rsa.PublicKey',
  ECDSA: '*ecdsa.PublicKey',
  Ed25519: 'ed25519.PublicKey',
};

/** @throws DerError saying why the signature does not count */
export function checkSignature(
  algorithm: SignatureAlgorithm | undefined,
  { algorithm: keyAlgorithm, key }: PublicKey,
  signed: Buffer,
  signature: Buffer,
): void {
  const unimplemented = 'x509: cannot verify signature: algorithm unimplemented';
  if (algorithm === undefined) throw new DerError(unimplemented);
  if (algorithm.insecure !== undefined)
    throw new DerError(`x509: cannot verify signature: insecure algorithm ${algorithm.insecure}`);
  if (key === undefined) throw new DerError(unimplemented);
  if (algorithm.key !== keyAlgorithm)
    throw new DerError(
      `x509: signature algorithm specifies an ${algorithm.key} public key, but have public key of type ${keyTypes[keyAlgorithm] ?? ''}`,
    );
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < 1024)
    throw new DerError(`crypto/rsa: ${bits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)`);
  const { hash = null, saltLength } = algorithm;
  const padding = saltLength === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  if (!isValid(() => verify(hash, signed, { key, ...padding }, signature))) throw new DerError(failures[keyAlgorithm] ?? '');
}

const failures: Readonly<Record<string, string>> = {
  RSA: 'crypto/rsa: verification error',
  ECDSA: 'x509: ECDSA verification failure',
  Ed25519: 'x509: Ed25519 verification failure',
};

/** OpenSSL throws at some signatures that are malformed. */
function isValid(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
