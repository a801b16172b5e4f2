/** The plugin, its configuration and a backend on loopback. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { PodSpec } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { kubeconfigText } from '#client/kubeconfig.ts';
import { startBackend } from '../../authentication/https.testing.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { type ImagePolicy, readImagePolicy } from '../config/image-policy.ts';
import { imagePolicyWebhook } from './image-policy-webhook.ts';

const scratch = mkdtempSync(join(tmpdir(), 'image-policy-'));
const kubeConfigFile = join(scratch, 'webhook.conf');
after(() => rmSync(scratch, { recursive: true }));

const container = (image: string) => ({ name: 'c', image });
const pod = (spec: Partial<PodSpec>, annotations: Record<string, string> = {}): KubeObject => {
  const object = objectOf('Pod', 'p', 'ns', { spec: { containers: [], ...spec } });
  object.metadata.annotations = annotations;
  return object;
};

describe('ImagePolicyWebhook', () => {
  let backend: Awaited<ReturnType<typeof startBackend>>;
  let clock: FakeClock;
  const reviews: { kind: string; apiVersion: string; spec: unknown }[] = [];
  let answer: (response: ServerResponse) => void;
  const status = (value: object) => (response: ServerResponse) =>
    response.end(JSON.stringify({ kind: 'ImageReview', apiVersion: 'imagepolicy.k8s.io/v1alpha1', status: value }));
  before(async () => {
    backend = await startBackend((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        reviews.push(JSON.parse(Buffer.concat(chunks).toString()));
        answer(response);
      });
    });
    writeFileSync(kubeConfigFile, kubeconfigText({ server: `${backend.url}/images`, token: 'secret' }));
  });
  after(async () => await backend.close());
  beforeEach(() => {
    clock = new FakeClock();
    reviews.length = 0;
    answer = status({ allowed: true });
  });
  const plugin = (more: object = {}) =>
    imagePolicyWebhook(readImagePolicy(JSON.stringify({ imagePolicy: { kubeConfigFile, retryBackoff: -1, ...more } })), {
      clock,
      random: () => 0,
    });

  it('is told images, namespace and the annotations that are meant for it', async () => {
    const object = pod(
      { containers: [container('a')], initContainers: [container('b')] },
      { 'x.image-policy.k8s.io/break-glass': 'ticket', other: 'o' },
    );
    assert.deepEqual(await ask(plugin(), 'create', { object }), object);
    assert.deepEqual(reviews[0]?.spec, {
      containers: [{ image: 'a' }, { image: 'b' }],
      annotations: { 'x.image-policy.k8s.io/break-glass': 'ticket' },
      namespace: 'ns',
    });
  });

  it('is asked about ephemeral containers alone where they are added, and about no other request', async () => {
    const object = pod({ containers: [container('a')] });
    Object.assign(object, { spec: { containers: [container('a')], ephemeralContainers: [container('e')] } });
    await ask(plugin(), 'update', { object, old: object, subresource: 'ephemeralcontainers' });
    assert.deepEqual(reviews[0]?.spec, { containers: [{ image: 'e' }], namespace: 'ns' });
    await ask(plugin(), 'update', { object, old: object, subresource: 'status' });
    await ask(plugin(), 'create', { object: objectOf('ConfigMap', 'm', 'ns') });
    assert.equal(reviews.length, 1);
  });

  it('refuses with and without a reason', async () => {
    answer = status({ allowed: false, reason: 'too old' });
    const denied = '403 pods "p" is forbidden: image policy webhook backend denied one or more images: too old';
    assert.equal(await ask(plugin(), 'create', { object: pod({}) }), denied);
    answer = status({});
    const rejected = '403 pods "p" is forbidden: one or more images rejected by webhook backend';
    assert.equal(await ask(plugin(), 'create', { object: pod({}) }), rejected);
  });

  it('keeps answers for their time', async () => {
    const one = plugin({ allowTTL: 60, denyTTL: -1 });
    const times = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) await ask(one, 'create', { object: pod({ containers: [container('a')] }) });
      return reviews.length;
    };
    assert.equal(await times(3), 1);
    await clock.advance(61_000);
    assert.equal(await times(1), 2);
    answer = status({ allowed: false });
    await clock.advance(61_000);
    assert.equal(await times(2), 4);
  });

  const failures: [what: string, (response: ServerResponse) => void, RegExp][] = [
    ['an error', (response) => response.writeHead(500).end(), /answered with the status 500/],
    ['no JSON', (response) => response.end('<html>'), /not JSON/],
    ['another kind', (response) => response.end('{"kind":"Pod","apiVersion":"v1"}'), /no ImageReview of imagepolicy/],
    ['a broken connection', (response) => response.destroy(), /socket hang up|ECONNRESET/],
  ];
  for (const [what, wrong, why] of failures)
    it(`lets in or refuses by defaultAllow after ${what}`, async () => {
      answer = wrong;
      assert.match(String(await ask(plugin(), 'create', { object: pod({}) })), why);
      assert.deepEqual(await ask(plugin({ defaultAllow: true }), 'create', { object: pod({}) }), pod({}));
    });
});

describe('the configuration of ImagePolicyWebhook', () => {
  const read = (imagePolicy: object): ImagePolicy =>
    readImagePolicy(JSON.stringify({ imagePolicy: { kubeConfigFile, ...imagePolicy } }));
  before(() => writeFileSync(kubeConfigFile, kubeconfigText({ server: 'https://w.test/x' })));

  it('has defaults and units', () => {
    const { allowMs, denyMs, firstRetryMs, defaultAllow } = read({});
    assert.deepEqual([allowMs, denyMs, firstRetryMs, defaultAllow], [300_000, 30_000, 500, false]);
    const given = read({ allowTTL: 1, denyTTL: 1800, retryBackoff: 300_000, defaultAllow: true });
    assert.deepEqual([given.allowMs, given.denyMs, given.firstRetryMs, given.defaultAllow], [1000, 1_800_000, 300_000, true]);
    const none = read({ allowTTL: -1, denyTTL: -1, retryBackoff: -1 });
    assert.deepEqual([none.allowMs, none.denyMs, none.firstRetryMs], [0, 0, 0]);
  });

  for (const [wrong, message] of [
    [{ allowTTL: 1801 }, /allowTTL: valid value is between 1 and 1800, got 1801/],
    [{ denyTTL: -2 }, /denyTTL: valid value/],
    [{ retryBackoff: 300_001 }, /retryBackoff: valid value/],
    [{ allowTTL: '5m' }, /allowTTL is no integer/],
    [{ kubeConfigFile: '/nowhere' }, /kubeConfigFile: .*\/nowhere/],
    [{ defaultAllow: 'yes' }, /defaultAllow is no boolean/],
  ] as const)
    it(`refuses ${JSON.stringify(wrong)}`, () => assert.throws(() => read(wrong), message));
});
