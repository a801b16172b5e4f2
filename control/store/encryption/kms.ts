/**
 * KMS v2: values are encrypted with a key of this server, which is stored beside them, encrypted by a plugin that is asked over its socket.
 *
 *   (nothing) ──(status ok)──▶ key of the plugin's key ID ──(another key ID)──▶ a new key
 *
 * The plugin is asked once for each key, not for each value. While it does not answer, values of keys that are known can be read; written only
 * for three minutes.
 *
 * Source: apiserver `pkg/storage/value/encrypt/envelope/kmsv2`, `pkg/server/options/encryptionconfig/config.go` (kmsv2PluginProbe).
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { StoreError } from '../errors.ts';
import { encodeMessage, type Fields, Message } from './kms-messages.ts';
import { aesGcm, type Decrypted, derivedGcm, TransformError, type Transformer } from './transformers.ts';

const statusIntervalMs = 60_000;
const retryIntervalMs = 10_000;
/** Writes are allowed for this time after the last successful status. */
const writeTtlMs = 3 * 60_000;
const seedBytes = 32;
const maxFieldBytes = 1024;
const maxAnnotationBytes = 32 * 1024;
/** Keys that values were encrypted with; each server start and each change of the plugin's key makes one. */
const maxKnownKeys = 10_000;
/** What an encrypted key is: the key itself, or a seed. */
const sourceTypes = { key: 0, seed: 1 } as const;

interface CurrentKey {
  transformer: Transformer;
  keyId: string;
  encrypted: Buffer;
  annotations: Readonly<Record<string, Buffer>>;
  expiresMs: number;
}

/** Calls of a plugin. @throws (its methods) Error */
export interface KmsPlugin {
  call(method: 'Status' | 'Encrypt' | 'Decrypt', fields: Fields): Promise<Message>;
  close(): void;
}

/** A plugin behind a Unix socket. @param endpoint `unix:///path`, or `unix:///@name` of an abstract one */
export function kmsPlugin(endpoint: string, timeoutMs: number): KmsPlugin {
  const path = endpoint.slice('unix://'.length);
  const address = path.startsWith('/@') ? `unix-abstract:${path.slice(2)}` : `unix://${path}`;
  const client = new Client(address, credentials.createInsecure());
  return {
    call(method, fields) {
      const { promise, resolve, reject } = Promise.withResolvers<Message>();
      const done = (error: ServiceError | null, message?: Message): void => {
        if (error !== null) reject(error);
        else if (message === undefined) reject(new Error('the KMS plugin has answered nothing'));
        else resolve(message);
      };
      client.makeUnaryRequest<Fields, Message>(
        `/v2.KeyManagementService/${method}`,
        encodeMessage,
        (bytes) => new Message(bytes),
        fields,
        { deadline: Date.now() + timeoutMs },
        done,
      );
      return promise;
    },
    close: () => client.close(),
  };
}

/** What a provider needs. */
export interface KmsDeps {
  clock: Clock;
  /** Told when a status was good again, or was not. */
  told(name: string, problem: string | undefined): void;
}

/** One KMS provider of the configuration. */
export class KmsTransformer implements Transformer {
  readonly name: string;
  readonly #plugin: KmsPlugin;
  readonly #deps: KmsDeps;
  /** Decrypted keys by {@link cacheKey}. */
  readonly #known = new Map<string, Transformer>();
  #current: CurrentKey | undefined;
  #problem: string | undefined = 'the KMS plugin has not been asked yet';

  constructor(name: string, plugin: KmsPlugin, deps: KmsDeps) {
    this.name = name;
    this.#plugin = plugin;
    this.#deps = deps;
  }

  /** Why the plugin cannot be relied on; undefined: it can. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Asks the plugin for its status until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#deps.clock, this.#problem === undefined ? statusIntervalMs : retryIntervalMs, signal);
      if (!signal.aborted) await this.probe();
    }
    this.#plugin.close();
  }

  /** Asks for the status, and for a new key where the plugin has another one. Never rejects. */
  async probe(): Promise<void> {
    const before = this.#problem;
    try {
      const status = await this.#plugin.call('Status', {});
      const [version, health, keyId] = [status.text(1), status.text(2), status.text(3)];
      if (version !== 'v2' && version !== 'v2beta1') throw new Error(`expected KMSv2 API version v2, got ${version}`);
      if (health !== 'ok') throw new Error(`got unexpected healthz status: ${health}`);
      checkKeyId(keyId);
      if (this.#current?.keyId === keyId) this.#current.expiresMs = this.#deps.clock.monotonic() + writeTtlMs;
      else await this.#makeKey(keyId);
      this.#problem = undefined;
    } catch (error) {
      this.#problem = errorText(error);
    }
    if (this.#problem !== before) this.#deps.told(this.name, this.#problem);
  }

  async #makeKey(statusKeyId: string): Promise<void> {
    const seed = randomBytes(seedBytes);
    const answer = await this.#plugin.call('Encrypt', { 1: seed, 2: randomUUID() });
    const [encrypted, keyId, annotations] = [answer.bytes(1), answer.text(2), answer.map(3)];
    checkKeyId(keyId);
    checkSource(encrypted);
    checkAnnotations(annotations);
    // The plugin's key has just changed: the next status tells the same ID as the next key.
    if (keyId !== statusKeyId) throw new Error('the key ID of the status is not that of the encrypted key');
    const transformer = derivedGcm(seed);
    this.#remember(cacheKey(sourceTypes.seed, encrypted, keyId, annotations), transformer);
    this.#current = { transformer, keyId, encrypted, annotations, expiresMs: this.#deps.clock.monotonic() + writeTtlMs };
  }

  encrypt(value: Buffer, context: Buffer): Buffer {
    const current = this.#current;
    if (current === undefined || this.#deps.clock.monotonic() > current.expiresMs)
      throw new StoreError(
        'unavailable',
        `the KMS provider ${this.name} cannot encrypt: ${this.#problem ?? 'its key has expired'}`,
      );
    const { transformer, keyId, encrypted, annotations } = current;
    return encodeMessage({ 1: transformer.encrypt(value, context), 2: keyId, 3: encrypted, 4: annotations, 5: sourceTypes.seed });
  }

  async decrypt(stored: Buffer, context: Buffer): Promise<Decrypted> {
    const { data, keyId, encrypted, annotations, type } = envelopeOf(stored);
    const key = cacheKey(type, encrypted, keyId, annotations);
    const transformer = this.#known.get(key) ?? (await this.#ask(key, type, encrypted, keyId, annotations));
    const { value } = await transformer.decrypt(data, context);
    return { value, isStale: keyId !== this.#current?.keyId || type !== sourceTypes.seed };
  }

  async #ask(
    key: string,
    type: number,
    encrypted: Buffer,
    keyId: string,
    annotations: Readonly<Record<string, Buffer>>,
  ): Promise<Transformer> {
    let plain: Buffer;
    try {
      const answer = await this.#plugin.call('Decrypt', { 1: encrypted, 2: randomUUID(), 3: keyId, 4: annotations });
      plain = answer.bytes(1);
    } catch (error) {
      // The plugin may come back: the value is not lost, so nobody is told that it is damaged.
      throw new StoreError('unavailable', `failed to decrypt DEK, error: ${errorText(error)}`, { cause: error });
    }
    if (type === sourceTypes.seed ? plain.length < seedBytes : ![16, 24, 32].includes(plain.length))
      throw new TransformError(`the KMS plugin has decrypted a key of ${plain.length} bytes`);
    const transformer = type === sourceTypes.seed ? derivedGcm(plain) : aesGcm(plain);
    this.#remember(key, transformer);
    return transformer;
  }

  #remember(key: string, transformer: Transformer): void {
    if (this.#known.size >= maxKnownKeys) this.#known.clear();
    this.#known.set(key, transformer);
  }
}

function envelopeOf(stored: Buffer): {
  data: Buffer;
  keyId: string;
  encrypted: Buffer;
  annotations: Record<string, Buffer>;
  type: number;
} {
  try {
    const message = new Message(stored);
    const [data, keyId, encrypted] = [message.bytes(1), message.text(2), message.bytes(3)];
    const [annotations, type] = [message.map(4), message.number(5)];
    if (data.length === 0) throw new Error('encrypted data is empty');
    checkKeyId(keyId);
    checkSource(encrypted);
    checkAnnotations(annotations);
    if (type !== sourceTypes.key && type !== sourceTypes.seed) throw new Error(`unknown encryptedDEKSourceType: ${type}`);
    return { data, keyId, encrypted, annotations, type };
  } catch (error) {
    throw new TransformError(errorText(error), { cause: error });
  }
}

function checkKeyId(keyId: string): void {
  if (keyId === '') throw new Error('keyID is empty');
  const length = Buffer.byteLength(keyId);
  if (length > maxFieldBytes) throw new Error(`keyID is ${length} bytes, which exceeds the max size of ${maxFieldBytes}`);
}

function checkSource(encrypted: Buffer): void {
  if (encrypted.length === 0) throw new Error('encrypted DEK source is empty');
  if (encrypted.length > maxFieldBytes)
    throw new Error(`encrypted DEK source is ${encrypted.length} bytes, which exceeds the max size of ${maxFieldBytes}`);
}

function checkAnnotations(annotations: Readonly<Record<string, Buffer>>): void {
  const bytes = Object.entries(annotations).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + value.length, 0);
  if (bytes > maxAnnotationBytes)
    throw new Error(`total size of annotations is ${bytes}, which exceeds the max size of ${maxAnnotationBytes}`);
}

const cacheKey = (type: number, encrypted: Buffer, keyId: string, annotations: Readonly<Record<string, Buffer>>): string =>
  encodeMessage({ 2: keyId, 3: encrypted, 4: annotations, 5: type }).toString('latin1');
