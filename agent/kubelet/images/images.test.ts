import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSandboxConfig } from '#agent/runtime/runtime.ts';
import type { Secret } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { parseImageName, withDefaultTag } from '../image-name.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { FakeRuntime } from '../runtime.testing.ts';
import { createImagePuller } from './image-puller.ts';
import { createPodPullSecrets } from './pod-pull-secrets.ts';
import { credentialsFor } from './pull-secrets.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('image names', () => {
  const tagged: [string, string][] = [
    ['busybox', 'busybox:latest'],
    ['busybox:1', 'busybox:1'],
    ['host:5000/a/b', 'host:5000/a/b:latest'],
    [`busybox@${digest}`, `busybox@${digest}`],
  ];
  for (const [image, expected] of tagged)
    it(`reads ${image} as ${expected}`, () => assert.equal(withDefaultTag(image), expected));

  const parts: [string, string, string][] = [
    ['busybox', 'docker.io', 'library/busybox'],
    ['me/app:1', 'docker.io', 'me/app'],
    ['host:5000/app', 'host:5000', 'app'],
    ['localhost/app', 'localhost', 'app'],
    ['registry.k8s.io/pause:3', 'registry.k8s.io', 'pause'],
  ];
  for (const [image, registry, repository] of parts) {
    it(`finds ${image} at ${registry}`, () => {
      const name = parseImageName(image);
      assert.deepEqual([name.registry, name.repository], [registry, repository]);
    });
  }
  for (const image of ['', 'a b', 'x:', '-x'])
    it(`refuses ${JSON.stringify(image)}`, () =>
      assert.throws(() => parseImageName(image), { message: `couldn't parse image name "${image}": invalid reference format` }));
  it('says why upper case is refused', () =>
    assert.throws(() => parseImageName('Busybox'), /invalid reference format: repository name must be lowercase$/));
});

describe('credentials', () => {
  const secret = (auths: object): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', uid: '', resourceVersion: '', creationTimestamp: '' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
  });
  const users = (image: string, auths: object): (string | undefined)[] =>
    credentialsFor(image, [secret(auths)]).map(({ username }) => username);
  const cases: [string, string, object, (string | undefined)[]][] = [
    ['by host', 'h:5000/app', { 'h:5000': { username: 'u', password: 'p' }, other: { username: 'x' } }, ['u']],
    [
      'Docker Hub under its old address',
      'busybox',
      { 'https://index.docker.io/v1/': { auth: Buffer.from('u:p:q').toString('base64') } },
      ['u'],
    ],
    ['the most specific first', 'h.io/a/b', { 'h.io': { username: 'host' }, 'h.io/a': { username: 'path' } }, ['path', 'host']],
    ['not another path', 'h.io/ab', { 'h.io/a': { username: 'path' } }, []],
    ['by wildcard', 'x.example.com/app', { '*.example.com': { username: 'w' } }, ['w']],
  ];
  for (const [name, image, auths, expected] of cases)
    it(`are chosen ${name}`, () => assert.deepEqual(users(image, auths), expected));
  it('keep colons of a password', () => {
    assert.equal(
      credentialsFor('busybox', [secret({ 'docker.io': { auth: Buffer.from('u:p:q').toString('base64') } })])[0]?.password,
      'p:q',
    );
  });
});

describe('the secrets of a pod', () => {
  it('are read one after the other; those that cannot be read are named in an event', async () => {
    const messages: string[] = [];
    let reading = 0;
    const pullSecrets = createPodPullSecrets({
      objects: {
        async secret(_namespace, name) {
          assert.equal(++reading, 1);
          await Promise.resolve();
          reading--;
          if (name.startsWith('no')) throw new Error('not found');
          return { kind: 'Secret', metadata: { name } } as Secret;
        },
      },
      events: { event: (...event) => messages.push(event[3]) },
    });
    const pod = aPod({ imagePullSecrets: ['a', 'no1', 'b', 'no2'].map((name) => ({ name })) });
    const found = await pullSecrets(pod);
    assert.deepEqual(
      found.map(({ metadata }) => metadata.name),
      ['a', 'b'],
    );
    assert.equal(messages.length, 1);
    assert.match(messages[0] ?? '', /\(no1, no2\)/);
  });
});

describe('pulls', () => {
  it('that wait for another end with their pod, and those behind them go on', async () => {
    const clock = new FakeClock();
    const { runtime, calls } = new FakeRuntime(clock);
    const pullImage = runtime.pullImage.bind(runtime);
    const slow = Promise.withResolvers<void>();
    runtime.pullImage = async (image) => {
      if (image.image === 'slow:1') await slow.promise;
      return pullImage(image);
    };
    const puller = createImagePuller({ runtime, clock, events: { event: () => undefined }, serialize: true });
    const pull = (image: string, signal = new AbortController().signal): Promise<unknown> => {
      const pod = aPod({ containers: [aContainer('c', { image })] });
      const [container = aContainer('c')] = pod.spec.containers;
      return puller.ensure({
        pod,
        image: container,
        involvedObject: {},
        sandboxConfig: {} as PodSandboxConfig,
        secrets: async () => [],
        signal,
      });
    };
    const first = pull('slow:1');
    const deleted = new AbortController();
    const second = pull('unwanted:1', deleted.signal);
    const third = pull('wanted:1');
    setImmediate(() => deleted.abort());
    await assert.rejects(second, { name: 'AbortError' });
    slow.resolve();
    await Promise.all([first, third]);
    assert.deepEqual(calls, ['pull slow:1', 'pull wanted:1']);
  });
});
