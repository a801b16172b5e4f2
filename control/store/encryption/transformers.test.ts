import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import { aesCbc, aesGcm, byPrefix, derivedGcm, identity, secretbox, type Transformer } from './transformers.ts';

const key = Buffer.alloc(32, 7);
const place = Buffer.from('/registry/secrets/default/s');
const elsewhere = Buffer.from('/registry/secrets/default/other');
const read = async (transformer: Transformer, stored: Buffer, context = place): Promise<string> =>
  (await transformer.decrypt(stored, context)).value.toString();

const all: [name: string, make: (key: Buffer) => Transformer, boundToPlace: boolean, hasIntegrity: boolean][] = [
  ['aescbc', aesCbc, false, false],
  ['aesgcm', aesGcm, true, true],
  ['secretbox', secretbox, false, true],
  ['a derived key', derivedGcm, true, true],
];

describe('transformers', () => {
  for (const [name, make, boundToPlace, hasIntegrity] of all) {
    const transformer = make(key);
    it(`${name}: reads what it has written, of any length, and never writes the same twice`, async () => {
      for (const length of [0, 1, 15, 16, 17, 1000]) {
        const value = Buffer.alloc(length, 'x');
        const stored = transformer.encrypt(value, place);
        assert.equal(await read(transformer, stored), value.toString());
        assert.ok(length < 15 || !stored.includes(value));
        assert.notDeepEqual(transformer.encrypt(value, place), stored);
      }
    });

    it(`${name}: refuses another key, ${boundToPlace ? 'another place, ' : ''}${hasIntegrity ? 'a changed bit, ' : ''}and what is cut`, async () => {
      const stored = transformer.encrypt(Buffer.from('value of some length'), place);
      const withAnotherKey = async (): Promise<string> => await read(make(Buffer.alloc(32, 8)), stored);
      if (hasIntegrity) await assert.rejects(withAnotherKey, { name: 'TransformError' });
      // One time in 256 the rubbish ends like padding.
      else assert.notEqual(await withAnotherKey().catch(({ name: error }: Error) => error), 'value of some length');
      if (boundToPlace) await assert.rejects(async () => await read(transformer, stored, elsewhere), { name: 'TransformError' });
      else assert.equal(await read(transformer, stored, elsewhere), 'value of some length');
      for (let bit = 0; hasIntegrity && bit < stored.length * 8; bit += 7) {
        const changed = Buffer.from(stored);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        await assert.rejects(async () => await read(transformer, changed), { name: 'TransformError' });
      }
      for (const length of [0, 5, 20])
        await assert.rejects(async () => await read(transformer, stored.subarray(0, length)), { name: 'TransformError' });
    });
  }

  it('secretbox opens the box of the tests of NaCl', async () => {
    const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
    const firstkey = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
    const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
    const box = hex(
      `f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`,
    );
    const message = `be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705`;
    const { value } = await secretbox(firstkey).decrypt(Buffer.concat([nonce, box]), place);
    assert.equal(value.toString('hex'), message);
  });

  it('write the initialization vector first, and pad as PKCS#7 does, for upstream to read', async () => {
    const iv = Buffer.alloc(16, 1);
    const cipher = createCipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
    const padded = Buffer.concat([Buffer.from('hello'), Buffer.alloc(11, 11)]);
    const stored = Buffer.concat([iv, cipher.update(padded), cipher.final()]);
    assert.equal(await read(aesCbc(key), stored), 'hello');
    assert.equal(aesCbc(key).encrypt(Buffer.alloc(16), place).length, 48);
  });

  it('by prefix: the first writes, all read, and what another one wrote is stale', async () => {
    const [one, two] = [aesGcm(key), aesGcm(Buffer.alloc(32, 9))];
    const list = byPrefix(
      [
        {
          prefix: 'k8s:enc:aesgcm:v1:',
          transformer: byPrefix(
            [
              { prefix: 'two:', transformer: two },
              { prefix: 'one:', transformer: one },
            ],
            'no matching key',
          ),
        },
        { prefix: '', transformer: identity },
      ],
      'no matching prefix found',
    );
    const stored = list.encrypt(Buffer.from('x'), place);
    assert.ok(stored.toString('latin1').startsWith('k8s:enc:aesgcm:v1:two:'));
    assert.deepEqual(await list.decrypt(stored, place), { value: Buffer.from('x'), isStale: false });
    const older = Buffer.concat([Buffer.from('k8s:enc:aesgcm:v1:one:'), one.encrypt(Buffer.from('y'), place)]);
    assert.deepEqual(await list.decrypt(older, place), { value: Buffer.from('y'), isStale: true });
    assert.deepEqual(await list.decrypt(Buffer.from('{}'), place), { value: Buffer.from('{}'), isStale: true });
    const unknown = Buffer.from('k8s:enc:aesgcm:v1:three:xxx');
    await assert.rejects(async () => await list.decrypt(unknown, place), { message: 'no matching key' });
    await assert.rejects(async () => await list.decrypt(Buffer.from('k8s:enc:secretbox:v1:a:x'), place), {
      message: 'no matching prefix found',
    });
    assert.throws(() => identity.decrypt(unknown, place), { message: 'identity transformer tried to read encrypted data' });
  });
});
