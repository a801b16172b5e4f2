/**
 * Public keys as they stand in requests. Only keys whose parameters have a name are given to OpenSSL: curves of somebody's own choice
 * and huge exponents would cost it as much time as their maker likes.
 *
 * Source: RFC 3279, RFC 5480, RFC 8410; Go's `crypto/x509` (parsePublicKey), whose texts the errors have.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { bitStringBytes, checkInteger, type DerElement, DerError, DerReader, oidText, tags } from './der.ts';

/** The algorithms that Go's `crypto/x509` knows. */
export type KeyAlgorithm = 'RSA' | 'ECDSA' | 'Ed25519' | 'unknown';

/** A public key as a certificate or a request holds it. */
export interface PublicKey {
  algorithm: KeyAlgorithm;
  /** Undefined for a key that cannot be used. */
  key: KeyObject | undefined;
  /** The element SubjectPublicKeyInfo. */
  info: Buffer;
}

const algorithms: Readonly<Record<string, KeyAlgorithm>> = {
  '2a864886f70d010101': 'RSA',
  '2a8648ce3d0201': 'ECDSA',
  '2b6570': 'Ed25519',
};
/** Length of a coordinate, in bytes, of P-224, P-256, P-384 and P-521. */
const curves: Readonly<Record<string, number>> = { '2b81040021': 28, '2a8648ce3d030107': 32, '2b81040022': 48, '2b81040023': 66 };
/** OpenSSL verifies with no larger modulus. */
const maxModulusBits = 16_384;

/** @param info the element SubjectPublicKeyInfo @throws DerError */
export function readPublicKey(info: DerElement): PublicKey {
  const fields = info.reader();
  const algorithm = fields.expect(tags.sequence, 'AlgorithmIdentifier').reader();
  const name = algorithms[oidText(algorithm.expect(tags.oid, 'ObjectIdentifier'))] ?? 'unknown';
  const parameters = algorithm.isAtEnd ? undefined : algorithm.next();
  const bits = bitStringBytes(fields.expect(tags.bitString, 'BitString'));
  switch (name) {
    case 'RSA':
      return { algorithm: name, key: rsaKey(parameters, bits, info.raw), info: info.raw };
    case 'ECDSA':
      return { algorithm: name, key: ecKey(parameters, bits, info.raw), info: info.raw };
    case 'Ed25519':
      if (parameters !== undefined) throw new DerError('x509: Ed25519 key encoded with illegal parameters');
      if (bits.length !== 32) throw new DerError('x509: wrong Ed25519 public key size');
      return { algorithm: name, key: imported(info.raw, 'x509: wrong Ed25519 public key size'), info: info.raw };
    case 'unknown':
    default:
      return { algorithm: 'unknown', key: undefined, info: info.raw };
  }
}

function rsaKey(parameters: DerElement | undefined, bits: Buffer, info: Buffer): KeyObject {
  if (parameters?.tag !== tags.null || parameters.content.length > 0) throw new DerError('x509: RSA key missing NULL parameters');
  const numbers = reworded('x509: invalid RSA public key', () => new DerReader(bits).expect(tags.sequence).reader());
  const modulus = reworded('x509: invalid RSA modulus', () => checkInteger(numbers.expect(tags.integer)));
  const exponent = reworded('x509: invalid RSA public exponent', () => checkInteger(numbers.expect(tags.integer)));
  const isPositive = (number: Buffer): boolean => (number[0] ?? 0) < 0x80 && number.some((byte) => byte > 0);
  if (!isPositive(modulus)) throw new DerError('x509: RSA modulus is not a positive number');
  if (exponent.length > 8) throw new DerError('x509: invalid RSA public exponent');
  if (!isPositive(exponent)) throw new DerError('x509: RSA public exponent is not a positive number');
  if (modulus.length > maxModulusBits / 8 + 1) throw new DerError('x509: RSA modulus is too large');
  return imported(info, 'x509: invalid RSA public key');
}

function ecKey(parameters: DerElement | undefined, point: Buffer, info: Buffer): KeyObject {
  if (parameters?.tag !== tags.oid) throw new DerError('x509: invalid ECDSA parameters');
  const coordinate = curves[oidText(parameters)];
  if (coordinate === undefined) throw new DerError('x509: unsupported elliptic curve');
  const notOnCurve = 'x509: failed to unmarshal elliptic curve point';
  if (point[0] !== 4 || point.length !== 1 + 2 * coordinate) throw new DerError(notOnCurve);
  return imported(info, notOnCurve);
}

function imported(info: Buffer, problem: string): KeyObject {
  try {
    return createPublicKey({ key: info, format: 'der', type: 'spki' });
  } catch (error) {
    throw new DerError(problem, { cause: error });
  }
}

function reworded<T>(problem: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new DerError(problem, { cause: error });
  }
}
