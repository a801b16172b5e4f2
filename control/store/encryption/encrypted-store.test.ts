/** An API server on an encrypted store: what lies in the store, rotation of keys, and a KMS plugin behind a real socket. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import { FakeClock, systemClock } from '#client/clock.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { until } from '#lab/until.ts';
import { startTestServer, type TestServer } from '../../apiserver/api-server.testing.ts';
import { MemoryStore } from '../memory.ts';
import { storeContract } from '../store.contract.ts';
import { EncryptedStore } from './encrypted-store.ts';
import { Encryption } from './encryption.ts';
import { parseEncryptionConfiguration } from './encryption-configuration.ts';
import { encodeMessage, type Fields, Message } from './kms-messages.ts';

const rows = createResourceCatalog();
const keyOf = (name: string, fill: number, length = 32) => ({ name, secret: Buffer.alloc(length, fill).toString('base64') });
const configurationOf = (resources: string[], ...providers: object[]) =>
  parseEncryptionConfiguration(
    JSON.stringify({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'EncryptionConfiguration',
      resources: [{ resources, providers }],
    }),
  );
/** What keeps the process alive. */
const opened: { close(): Promise<void> }[] = [];
after(async () => {
  await Promise.all(opened.map((one) => one.close()));
});
const encryptionOf = async (...given: Parameters<typeof configurationOf>): Promise<Encryption> => {
  const encryption = new Encryption({ clock: systemClock, log: silentLog });
  opened.push(encryption);
  await encryption.use(configurationOf(...given));
  return encryption;
};
const storeOf = (plain: MemoryStore, encryption: Encryption): EncryptedStore =>
  new EncryptedStore({ store: plain, encryption, catalog: () => rows, log: silentLog });

storeContract('encrypted, in memory', async () => {
  const clock = new FakeClock();
  const store = storeOf(new MemoryStore({ clock }), await encryptionOf(['*.*'], { aesgcm: { keys: [keyOf('a', 1)] } }));
  return { store, advance: (byMs) => clock.advance(byMs), dispose: () => store.close() };
});

const secrets = '/api/v1/namespaces/default/secrets';
const place = '/registry/secrets/default/s';
const secret = { metadata: { name: 's' }, stringData: { password: 'topsecret' } };
const headOf = async (plain: MemoryStore, key = place): Promise<string> =>
  Buffer.from((await plain.get(key)).entry?.value ?? []).toString('latin1');

async function withServer(
  encryption: Encryption,
  work: (api: TestServer, plain: MemoryStore) => Promise<void>,
  plain = new MemoryStore({ clock: systemClock }),
): Promise<MemoryStore> {
  opened.push(plain);
  const api = await startTestServer({
    store: storeOf(plain, encryption),
    admissionPlugins: { enable: [], disable: ['ServiceAccount'] },
  });
  try {
    await work(api, plain);
  } finally {
    await api.stop();
  }
  return plain;
}
const passwordOf = async (api: TestServer, name = 's'): Promise<string> => {
  const { json, status: code } = await api.request('GET', `${secrets}/${name}`);
  return code === 200 ? Buffer.from(json.data['password'] ?? '', 'base64').toString() : `${code} ${json.message}`;
};

describe('encryption at rest', { timeout: 60_000 }, () => {
  for (const provider of ['aescbc', 'aesgcm', 'secretbox'])
    it(`${provider}: only ciphertext lies in the store, under upstream's prefix; other resources stay as they are`, async () =>
      void (await withServer(
        await encryptionOf(['secrets'], { [provider]: { keys: [keyOf('first', 1)] } }, { identity: {} }),
        async (api, plain) => {
          assert.equal((await api.request('POST', secrets, secret)).status, 201);
          assert.equal(await passwordOf(api), 'topsecret');
          const stored = await headOf(plain);
          assert.ok(stored.startsWith(`k8s:enc:${provider}:v1:first:`), stored.slice(0, 40));
          assert.ok(!stored.includes('topsecret') && !stored.includes('dG9wc2VjcmV0'));
          await api.request('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'c' } });
          assert.match(await headOf(plain, '/registry/configmaps/default/c'), /^\{/);
          assert.equal((await api.request('DELETE', `${secrets}/s`)).status, 200);
        },
      )));

  it('keys are rotated without a restart: new values with the new key, old ones when they are written again', async () => {
    const one = { aescbc: { keys: [keyOf('one', 1)] } };
    const encryption = await encryptionOf(['secrets'], { identity: {} });
    await withServer(encryption, async (api, plain) => {
      await api.request('POST', secrets, secret);
      assert.match(await headOf(plain), /^\{/);
      assert.equal(await encryption.use(configurationOf(['secrets'], one, { identity: {} })), true);
      assert.equal(await passwordOf(api), 'topsecret');
      const again = async (): Promise<void> => {
        const { json } = await api.request('GET', `${secrets}/s`);
        assert.equal((await api.request('PUT', `${secrets}/s`, json)).status, 200);
      };
      await again();
      const first = await headOf(plain);
      assert.match(first, /^k8s:enc:aescbc:v1:one:/);
      await again();
      assert.equal(await headOf(plain), first, 'nothing is written that is stored with the newest key');
      await encryption.use(configurationOf(['secrets'], { secretbox: { keys: [keyOf('two', 2)] } }, one));
      await again();
      assert.match(await headOf(plain), /^k8s:enc:secretbox:v1:two:/);
      await encryption.use(configurationOf(['secrets'], { secretbox: { keys: [keyOf('two', 2)] } }));
      assert.equal(await passwordOf(api), 'topsecret');
    });
  });

  it('a value whose key is gone, or that was moved, cannot be read, and nothing else suffers', async () => {
    const plain = await withServer(await encryptionOf(['secrets'], { aesgcm: { keys: [keyOf('one', 1)] } }), async (api) => {
      await api.request('POST', secrets, secret);
    });
    const moved = (await plain.get(place)).entry?.value as Uint8Array;
    await plain.put('/registry/secrets/default/moved', moved);
    const check = async (encryption: Encryption, isReadable: boolean) =>
      withServer(
        encryption,
        async (api) => {
          assert.match(await passwordOf(api, 'moved'), /^500 .*data from the storage is not transformable or decodable/);
          if (isReadable) assert.equal(await passwordOf(api), 'topsecret');
          else assert.match(await passwordOf(api), /^500 .*not transformable/);
          assert.equal((await api.request('GET', '/api/v1/namespaces/default')).status, 200);
        },
        plain,
      );
    await check(await encryptionOf(['secrets'], { aesgcm: { keys: [keyOf('one', 1)] } }), true);
    await check(await encryptionOf(['secrets'], { aesgcm: { keys: [keyOf('one', 9)] } }), false);
    await check(await encryptionOf(['configmaps'], { aesgcm: { keys: [keyOf('one', 1)] } }), false);
  });
});

/** A plugin that encrypts with AES-GCM, behind a real socket. */
class TestPlugin {
  keyId = 'key-1';
  health = 'ok';
  decrypted = 0;
  readonly endpoint: string;
  readonly #path: string;
  readonly #kek = randomBytes(32);
  #server: Server | undefined;

  constructor(path: string) {
    this.#path = path;
    this.endpoint = `unix://${path}`;
  }

  async start(): Promise<void> {
    const server = new Server();
    const method = (name: string) => ({
      path: `/v2.KeyManagementService/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (fields: Fields) => encodeMessage(fields),
      requestDeserialize: (bytes: Buffer) => new Message(bytes),
      responseSerialize: (fields: Fields) => encodeMessage(fields),
      responseDeserialize: (bytes: Buffer) => new Message(bytes),
    });
    const service = {
      Status: method('Status'),
      Encrypt: method('Encrypt'),
      Decrypt: method('Decrypt'),
    } as unknown as ServiceDefinition;
    const answer =
      (make: (request: Message) => Fields) =>
      (call: { request: Message }, done: (error: object | null, answer?: Fields) => void): void => {
        try {
          done(null, make(call.request));
        } catch (error) {
          done({ code: status.INTERNAL, details: String(error) });
        }
      };
    server.addService(service, {
      Status: answer(() => ({ 1: 'v2', 2: this.health, 3: this.keyId })),
      Encrypt: answer((request) => {
        const nonce = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', this.#kek, nonce);
        const ciphertext = Buffer.concat([nonce, cipher.update(request.bytes(1)), cipher.final(), cipher.getAuthTag()]);
        return { 1: ciphertext, 2: this.keyId, 3: { 'local.kms.example.com': Buffer.from('note') } };
      }),
      Decrypt: answer((request) => {
        this.decrypted++;
        assert.deepEqual(request.map(4), { 'local.kms.example.com': Buffer.from('note') });
        const ciphertext = request.bytes(1);
        const decipher = createDecipheriv('aes-256-gcm', this.#kek, ciphertext.subarray(0, 12));
        decipher.setAuthTag(ciphertext.subarray(-16));
        return { 1: Buffer.concat([decipher.update(ciphertext.subarray(12, -16)), decipher.final()]) };
      }),
    } as never);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.#path}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
  }

  stop(): void {
    this.#server?.forceShutdown();
  }
}

describe('a KMS plugin', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kms-'));
  after(() => rm(folder, { recursive: true }));

  it('encrypts the keys of this server, and is asked once for each of them', async () => {
    const plugin = new TestPlugin(join(folder, 'one.sock'));
    await plugin.start();
    const provider = { kms: { apiVersion: 'v2', name: 'vault', endpoint: plugin.endpoint, timeout: '2s' } };
    const encryption = await encryptionOf(['secrets'], provider, { identity: {} });
    assert.equal(encryption.problem(), undefined);
    const plain = await withServer(encryption, async (api, inner) => {
      for (let index = 0; index < 20; index++) await api.request('POST', secrets, { ...secret, metadata: { name: `s${index}` } });
      assert.equal(await passwordOf(api, 's7'), 'topsecret');
      const stored = await headOf(inner, '/registry/secrets/default/s7');
      assert.ok(stored.startsWith('k8s:enc:kms:v2:vault:') && !stored.includes('topsecret'));
    });
    assert.equal(plugin.decrypted, 0);
    // Another process knows no key yet.
    await withServer(
      await encryptionOf(['secrets'], provider),
      async (api) => {
        assert.equal(await passwordOf(api, 's7'), 'topsecret');
      },
      plain,
    );
    assert.equal(plugin.decrypted, 1);
    plugin.stop();
  });

  it('that changes its key gets a new one of ours, and old values are stale', async () => {
    const plugin = new TestPlugin(join(folder, 'two.sock'));
    await plugin.start();
    const provider = { kms: { apiVersion: 'v2', name: 'vault', endpoint: plugin.endpoint } };
    const clock = new FakeClock();
    const encryption = new Encryption({ clock, log: silentLog });
    await encryption.use(configurationOf(['secrets'], provider));
    const transformer = encryption.transformerOf('', 'secrets');
    assert.ok(transformer !== undefined);
    const context = Buffer.from(place);
    const stored = transformer.encrypt(Buffer.from('x'), context);
    assert.equal((await transformer.decrypt(stored, context)).isStale, false);
    plugin.keyId = 'key-2';
    await clock.advance(60_000);
    const within = { timeoutMs: 60_000, everyMs: 5 };
    await until('old values are stale', async () => (await transformer.decrypt(stored, context)).isStale, within);
    assert.ok(transformer.encrypt(Buffer.from('x'), context).includes('key-2'));
    plugin.health = 'sealed';
    await clock.advance(60_000);
    await until('the problem is told', async () => encryption.problem() !== undefined, within);
    assert.equal(encryption.problem(), 'vault: got unexpected healthz status: sealed');
    assert.equal((await transformer.decrypt(stored, context)).value.toString(), 'x');
    await clock.advance(181_000);
    assert.throws(
      () => transformer.encrypt(Buffer.from('x'), context),
      /the KMS provider vault cannot encrypt: got unexpected healthz status: sealed/,
    );
    await encryption.close();
    plugin.stop();
  });

  it('that does not answer keeps the configuration of before, and makes reads wait instead of losing values', async () => {
    const plugin = new TestPlugin(join(folder, 'three.sock'));
    await plugin.start();
    const provider = { kms: { apiVersion: 'v2', name: 'vault', endpoint: plugin.endpoint, timeout: '1s' } };
    const encryption = await encryptionOf(['secrets'], provider);
    const dead = { kms: { apiVersion: 'v2', name: 'dead', endpoint: `unix://${join(folder, 'dead.sock')}`, timeout: '1s' } };
    assert.equal(await encryption.use(configurationOf(['secrets'], dead)), false);
    const context = Buffer.from(place);
    const stored = encryption.transformerOf('', 'secrets')?.encrypt(Buffer.from('x'), context) as Buffer;
    assert.ok(stored.toString('latin1').startsWith('k8s:enc:kms:v2:vault:'));
    plugin.stop();
    const other = await encryptionOf(['secrets'], provider);
    assert.match(other.problem() ?? '', /^vault: /);
    await assert.rejects(async () => await other.transformerOf('', 'secrets')?.decrypt(stored, context), {
      name: 'StoreError',
      code: 'unavailable',
    });
    await Promise.all([encryption.close(), other.close()]);
  });
});
