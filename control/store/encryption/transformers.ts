/**
 * How values are encrypted and decrypted, byte for byte as upstream does it: either reads what the other has written.
 *
 *   k8s:enc:aescbc:v1:<key's name>:<iv><ciphertext>
 *
 * Source: apiserver `pkg/storage/value/{transformer.go,encrypt/aes,encrypt/secretbox,encrypt/identity}`.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';

/** A value cannot be decrypted with what there is. */
export class TransformError extends Error {
  override name = 'TransformError';
}

/** Turns values into what is stored. */
export interface Transformer {
  /** @param context what the value belongs to: its key. Of aesgcm and KMS, a value that is moved to another key cannot be read */
  encrypt(value: Buffer, context: Buffer): Buffer;
  /** @throws TransformError @throws (or rejects with) StoreError `unavailable` when a key cannot be asked for at present */
  decrypt(stored: Buffer, context: Buffer): Decrypted | Promise<Decrypted>;
}

/** A value that was read. */
export interface Decrypted {
  value: Buffer;
  /** It would be stored with another key now. */
  isStale: boolean;
}

const fresh = (value: Buffer): Decrypted => ({ value, isStale: false });
const tooShort = (): TransformError => new TransformError('the stored data was shorter than the required size');

/** AES-CBC with PKCS#7 padding; there is no integrity in it. */
export function aesCbc(key: Buffer): Transformer {
  const name = `aes-${key.length * 8}-cbc`;
  return {
    encrypt(value) {
      const iv = randomBytes(16);
      const cipher = createCipheriv(name, key, iv);
      return Buffer.concat([iv, cipher.update(value), cipher.final()]);
    },
    decrypt(stored) {
      if (stored.length < 32) throw tooShort();
      if (stored.length % 16 !== 0) throw new TransformError('the stored data is not a multiple of the block size');
      const decipher = createDecipheriv(name, key, stored.subarray(0, 16));
      try {
        return fresh(Buffer.concat([decipher.update(stored.subarray(16)), decipher.final()]));
      } catch (error) {
        throw new TransformError('invalid padding on input', { cause: error });
      }
    },
  };
}

const nonceBytes = 12;
const tagBytes = 16;

/** AES-GCM with a random nonce. */
export function aesGcm(key: Buffer): Transformer {
  const name = `aes-${key.length * 8}-gcm` as 'aes-256-gcm';
  return {
    encrypt(value, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(name, key, nonce).setAAD(context);
      return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
    },
    decrypt(stored, context) {
      if (stored.length < nonceBytes + tagBytes) throw tooShort();
      const decipher = createDecipheriv(name, key, stored.subarray(0, nonceBytes)).setAAD(context);
      decipher.setAuthTag(stored.subarray(-tagBytes));
      try {
        return fresh(Buffer.concat([decipher.update(stored.subarray(nonceBytes, -tagBytes)), decipher.final()]));
      } catch (error) {
        throw new TransformError('cipher: message authentication failed', { cause: error });
      }
    },
  };
}

const infoBytes = 32;

/** AES-GCM with a key of its own for each value, made of a seed and random bytes (HKDF, its second step alone). */
export function derivedGcm(seed: Buffer): Transformer {
  const keyOf = (info: Buffer): Buffer => expand(seed, info);
  return {
    encrypt(value, context) {
      const info = randomBytes(infoBytes);
      return Buffer.concat([info, aesGcm(keyOf(info)).encrypt(value, context)]);
    },
    decrypt(stored, context) {
      if (stored.length < infoBytes) throw tooShort();
      return aesGcm(keyOf(stored.subarray(0, infoBytes))).decrypt(stored.subarray(infoBytes), context);
    },
  };
}

/** HKDF-Expand with SHA-256, of one block: the seed is a pseudorandom key already. Source: RFC 5869, 2.3. */
function expand(seed: Buffer, info: Buffer): Buffer {
  return createHmac('sha256', seed)
    .update(info)
    .update(Buffer.from([1]))
    .digest();
}

const boxNonceBytes = 24;
const boxOverhead = 16;

/** XSalsa20 and Poly1305. */
export function secretbox(key: Buffer): Transformer {
  return {
    encrypt(value) {
      const nonce = randomBytes(boxNonceBytes);
      return Buffer.concat([nonce, nacl.secretbox(value, nonce, key)]);
    },
    decrypt(stored) {
      if (stored.length < boxNonceBytes + boxOverhead) throw tooShort();
      const value = nacl.secretbox.open(stored.subarray(boxNonceBytes), stored.subarray(0, boxNonceBytes), key);
      if (value === false) throw new TransformError('the stored data cannot be decrypted with this key');
      return fresh(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    },
  };
}

const encryptedPrefix = Buffer.from('k8s:enc:');

/** Nothing is encrypted; what is encrypted cannot be read so. */
export const identity: Transformer = {
  encrypt: (value) => value,
  decrypt(stored) {
    if (stored.subarray(0, encryptedPrefix.length).equals(encryptedPrefix))
      throw new TransformError('identity transformer tried to read encrypted data');
    return fresh(stored);
  },
};

/** A transformer of values that begin with a prefix. */
export interface Prefixed {
  prefix: string;
  transformer: Transformer;
}

/** The first writes; all read what has their prefix. @param none the message for a value that has none of the prefixes */
export function byPrefix(transformers: readonly Prefixed[], none: string): Transformer {
  const all = transformers.map(({ prefix, transformer }) => ({ prefix: Buffer.from(prefix), transformer }));
  const [first] = all;
  if (first === undefined) throw new Error('there is no transformer');
  return {
    encrypt: (value, context) => {
      const encrypted = first.transformer.encrypt(value, context);
      return first.prefix.length === 0 ? encrypted : Buffer.concat([first.prefix, encrypted]);
    },
    async decrypt(stored, context) {
      const problems: string[] = [];
      for (const [index, { prefix, transformer }] of all.entries()) {
        if (!stored.subarray(0, prefix.length).equals(prefix)) continue;
        try {
          const { value, isStale } = await transformer.decrypt(stored.subarray(prefix.length), context);
          return { value, isStale: isStale || index > 0 };
        } catch (error) {
          // Another key of the same kind may be the right one.
          if (!(error instanceof TransformError)) throw error;
          if (prefix.length > 0) problems.push(error.message);
        }
      }
      throw new TransformError(
        problems.length === 0 ? none : problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`,
      );
    },
  };
}
