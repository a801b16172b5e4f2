/**
 * Keys of service-account tokens: one key signs, several may verify, so that the signing key can be replaced while tokens of the
 * old one are still valid.
 *
 * Source: client-go `util/keyutil/key.go` (which PEM blocks are keys); kubernetes `pkg/serviceaccount/jwt.go` (algorithms, key
 * IDs).
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';

/** A key with the fields of a token's header that name it. */
export interface TokenKey {
  key: KeyObject;
  algorithm: string;
  /** `kid`: the hash of the public key's DER form. */
  id: string;
}

const curves: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

/** The key that signs. @param pem RSA or ECDSA @throws Error for another key, or none */
export function signingKey(pem: string): TokenKey {
  const key = createPrivateKey(pem);
  const algorithm = algorithmOf(key);
  if (algorithm === undefined) throw new Error('must be an RSA or ECDSA (P-256, P-384, P-521) private key');
  return { key, algorithm, id: keyId(createPublicKey(key)) };
}

/**
 * The keys that verify tokens.
 * @param pem public keys, private keys and certificates; other blocks are ignored
 * @throws Error when there is no key in it
 */
export function verificationKeys(pem: string): TokenKey[] {
  const keys = (pem.match(pemBlock) ?? []).map(publicKeyOf).flatMap((key) => {
    const algorithm = key === undefined ? undefined : algorithmOf(key);
    return key === undefined || algorithm === undefined ? [] : [{ key, algorithm, id: keyId(key) }];
  });
  if (keys.length === 0) throw new Error('data does not contain any valid RSA or ECDSA public keys');
  return [...new Map(keys.map((key) => [key.id, key])).values()];
}

/** A public key as JSON Web Key (RFC 7517). */
export const publicJwk = ({ key, algorithm, id }: TokenKey): object => ({
  use: 'sig',
  kid: id,
  alg: algorithm,
  ...key.export({ format: 'jwk' }),
});

const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** Undefined for a block that is not a key. */
function publicKeyOf(block: string): KeyObject | undefined {
  try {
    return block.startsWith('-----BEGIN CERTIFICATE-----') ? new X509Certificate(block).publicKey : createPublicKey(block);
  } catch {
    // Node's error does not distinguish a damaged key from a block of another kind. A file without any key is refused above.
    return undefined;
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  if (asymmetricKeyType === 'rsa') return 'RS256';
  return asymmetricKeyType === 'ec' ? curves[asymmetricKeyDetails?.namedCurve ?? ''] : undefined;
}

const keyId = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
