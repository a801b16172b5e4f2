/** The kubelet with hostile pods: it runs those that it can name and run, and the good ones are not affected. */
import assert from 'node:assert/strict';
import { isAbsolute, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { admitPod } from '#agent/kubelet/admission/admission.ts';
import { containerConfig } from '#agent/kubelet/container/container-config.ts';
import { resolveEnv } from '#agent/kubelet/container/env.ts';
import { podHostname } from '#agent/kubelet/container/hostname.ts';
import { sandboxConfig } from '#agent/kubelet/container/sandbox-config.ts';
import { kubeletPaths } from '#agent/kubelet/paths.ts';
import { computePodActions } from '#agent/kubelet/pod/compute-pod-actions.ts';
import { asksForSync } from '#agent/kubelet/pod/pod-changes.ts';
import { PodSource, podProblem } from '#agent/kubelet/pod/pod-source.ts';
import { aContainer, aPod, observe, observedContainer } from '#agent/kubelet/pods.testing.ts';
import { createProbes } from '#agent/kubelet/probes/probes.ts';
import { createPodCgroups } from '#agent/kubelet/resources/pod-cgroups.ts';
import { podCgroup } from '#agent/kubelet/resources/resources.ts';
import { podStatus } from '#agent/kubelet/status/pod-status.ts';
import { volumePlace } from '#agent/kubelet/volumes/plugin.ts';
import { allContainers } from '#api/pod/containers.ts';
import type { Container, Node, Pod } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { absurd, hasShape, hostile } from './hostile-object.testing.ts';

const names = fc.constantFrom(
  'web',
  'c',
  'a.b',
  '',
  '.',
  '..',
  '../../etc',
  'a/b',
  '/',
  'a\0b',
  'A',
  'a_b',
  '-',
  'x'.repeat(300),
  '__proto__',
  'é',
  'a\nb',
  'a;b=c',
);
/** Absurd pods. Their names are sometimes just valid enough to be accepted, and sometimes not. */
const badPod: fc.Arbitrary<Pod> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: absurd<Pod>('core/v1.Pod', { namespace: 'shop' }) },
      hostile<Pod>('core/v1.Pod', { namespace: 'shop' }),
    ),
    fc.record({ name: names, uid: names, container: names, volume: names, namespace: fc.constantFrom('shop', 'a/b', '..', '') }),
    fc.integer({ min: 0, max: 5 }),
  )
  .map(([pod, odd, which]) => {
    const { spec } = pod;
    const named = (list: unknown, prefix: string) =>
      Array.isArray(list)
        ? list.map((one: object | null, index) => ({
            ...one,
            name: which === 2 || which === 3 ? odd.container : `${prefix}${index}`,
          }))
        : list;
    return {
      ...pod,
      metadata: {
        ...pod.metadata,
        ...(which === 0 ? { name: odd.name } : {}),
        ...(which === 1 ? { uid: odd.uid } : {}),
        ...(which === 4 ? { namespace: odd.namespace } : {}),
      },
      ...(typeof spec !== 'object' || spec === null
        ? {}
        : {
            spec: {
              ...spec,
              hostname: which === 5 ? odd.name : '',
              subdomain: '',
              hostnameOverride: undefined,
              containers: named(Array.isArray(spec.containers) && spec.containers.length > 0 ? spec.containers : [{}], 'c'),
              initContainers: named(spec.initContainers, 'i'),
              ephemeralContainers: named(spec.ephemeralContainers, 'e'),
              volumes: named(spec.volumes, 'v'),
            },
          }),
    } as Pod;
  });
const badPods = fc.array(badPod, { minLength: 1, maxLength: 5 });
/** Starting a pod costs more than checking it: these few runs take some seconds on an idle machine. */
const runs = { numRuns: 25, endOnFailure: true };

/** What the kubelet sees through a pod source. */
function source() {
  const seen: { what: 'changed' | 'gone' | 'refused' | 'forgotten'; uid: string; pod?: Pod | undefined }[] = [];
  const leftOut: string[][] = [];
  const made = new PodSource(
    {
      changed: (pod) => seen.push({ what: 'changed', uid: pod.metadata.uid, pod }),
      gone: (uid, pod) => seen.push({ what: 'gone', uid, pod }),
      refused: (pod) => seen.push({ what: 'refused', uid: pod.metadata.uid, pod }),
      forgotten: (uid) => seen.push({ what: 'forgotten', uid }),
    },
    { report: (_part, all) => leftOut.push(all.map(({ object }) => `${object.namespace}/${object.name}`)), counts: () => [] },
  );
  return { made, seen, leftOut };
}

const good = (name: string): Pod => aPod({}, { metadata: { name, uid: `uid-${name}` } });

describe('the source of pods', { timeout: 300_000 }, () => {
  const tables: [string, Pod, string?][] = [
    ['takes a pod as others write it', aPod()],
    ['takes names with dots', aPod({}, { metadata: { name: 'a.b' } })],
    ['takes a UUID', aPod({}, { metadata: { uid: '0b1d9b1c-5b8e-4a57-8b3f-3c1f0c3c9d11' } })],
    [
      'refuses a UID that leads elsewhere',
      aPod({}, { metadata: { uid: '../../../etc' } }),
      'metadata.uid: "../../../etc" cannot name a folder',
    ],
    ['refuses an empty UID', aPod({}, { metadata: { uid: '' } }), 'metadata.uid: "" cannot name a folder'],
    [
      'refuses a UID that parts a folder’s name',
      aPod({}, { metadata: { uid: 'a_b' } }),
      'metadata.uid: "a_b" cannot name a folder',
    ],
    ['refuses a UID with NUL', aPod({}, { metadata: { uid: 'a\0b' } }), 'metadata.uid: "a\\u0000b" cannot name a folder'],
    ['refuses a UID too long for a file', aPod({}, { metadata: { uid: 'a'.repeat(200) } }), 'cannot name a folder'],
    [
      'refuses a name with a slash',
      aPod({}, { metadata: { name: 'a/b' } }),
      'metadata.name: "a/b": a lowercase RFC 1123 subdomain',
    ],
    ['refuses a namespace', aPod({}, { metadata: { namespace: '..' } }), 'metadata.namespace: "..": a lowercase RFC 1123 label'],
    [
      'refuses a container’s name',
      aPod({ containers: [aContainer('../x')] }),
      'spec.containers[].name: "../x": a lowercase RFC 1123 label',
    ],
    ['refuses an init container’s name', aPod({ initContainers: [aContainer('a/b')] }), 'spec.containers[].name: "a/b"'],
    ['refuses two containers of a name', aPod({ initContainers: [aContainer('c')] }), 'spec.containers[].name: "c" occurs twice'],
    ['refuses no containers', aPod({ containers: [] }), 'spec.containers: there are none'],
    [
      'refuses a volume’s name',
      aPod({ volumes: [{ name: '..', emptyDir: {} }] }),
      'spec.volumes[].name: "..": a lowercase RFC 1123 label',
    ],
    ['refuses a hostname with a line of its own', aPod({ hostname: 'a\n127.0.0.1 b' }), 'spec.hostname: '],
    [
      'refuses a seccomp profile outside of the folder',
      aPod({ securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: '../../../etc/shadow' } } }),
      'leads out of the folder',
    ],
    ['refuses what has no spec', { ...aPod(), spec: undefined as never }, 'cannot be read: '],
    ['refuses what is no list', aPod({ containers: 'c' as never }), 'spec.containers: there are none'],
  ];
  for (const [name, pod, why] of tables)
    it(name, () => {
      if (why === undefined) assert.equal(podProblem(pod), undefined);
      else assert.ok(podProblem(pod)?.includes(why), `${podProblem(pod)}`);
    });

  it('passes on the good pods unchanged, and others only with safe names', () => {
    const paths = kubeletPaths('/var/lib/kubelet', '/var/log/pods');
    const inside = (root: string, path: string): boolean => {
      const rest = relative(root, path);
      return rest !== '' && !rest.startsWith('..') && !isAbsolute(rest) && !path.includes('\0');
    };
    fc.assert(
      fc.property(badPods, (bad) => {
        const { made, seen } = source();
        for (const one of bad) made.added(one);
        for (const name of ['a', 'b']) made.added(good(name));
        for (const one of bad) made.updated({ ...one, metadata: { ...one.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
        for (const name of ['a', 'b']) made.deleted(good(name));
        for (const one of bad) made.deleted(one);
        const ours = seen.filter(({ uid }) => uid === 'uid-a' || uid === 'uid-b').map(({ what, uid }) => `${what} ${uid}`);
        assert.deepEqual(ours, ['changed uid-a', 'changed uid-b', 'gone uid-a', 'gone uid-b']);
        for (const { pod } of seen.filter(({ what }) => what === 'changed')) {
          assert.ok(pod !== undefined);
          const { uid, name, namespace = '' } = pod.metadata;
          assert.equal(join(paths.podsDir, uid), paths.podDir(uid));
          assert.equal(relative(paths.podsDir, paths.podDir(uid)), uid);
          assert.ok(!relative(paths.podLogsRoot, paths.podLogDir({ namespace, name, uid })).includes('/'));
          assert.match(podCgroup('', pod), /^\/kubepods(\/burstable|\/besteffort)?\/pod[-.A-Za-z0-9]+$/);
          for (const { container } of allContainers(pod)) {
            assert.ok(inside(paths.podDir(uid), paths.containerDir(uid, container.name)));
            assert.ok(
              inside(paths.podLogDir({ namespace, name, uid }), paths.containerLogDir({ namespace, name, uid }, container.name)),
            );
          }
          for (const volume of pod.spec.volumes ?? [])
            assert.ok(
              inside(join(paths.podDir(uid), 'volumes'), volumePlace(paths, uid, 'kubernetes.io/empty-dir', volume.name).path),
            );
        }
        const left = new Set(seen.filter(({ what }) => what === 'changed').map(({ uid }) => uid));
        for (const { what, uid } of seen) if (what === 'gone') left.delete(uid);
        assert.deepEqual([...left], [], 'what was taken has gone again');
      }),
      runs,
    );
  });

  it('a running pod continues when its spec becomes malformed, and can be deleted', () => {
    const { made, seen, leftOut } = source();
    made.added(good('a'));
    const bad = { ...good('a'), spec: { containers: [aContainer('../x')] } };
    made.updated(bad);
    assert.deepEqual(
      seen.map(({ what }) => what),
      ['changed'],
    );
    assert.deepEqual(leftOut.at(-1), ['shop/a']);
    made.updated({
      ...bad,
      metadata: { ...bad.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 3 },
    });
    assert.deepEqual(seen.at(-1)?.pod?.spec, good('a').spec);
    assert.equal(seen.at(-1)?.pod?.metadata.deletionGracePeriodSeconds, 3);
    made.deleted(bad);
    assert.deepEqual(seen.at(-1)?.what, 'gone');
    assert.deepEqual(leftOut.at(-1), []);
  });

  it('a pod with another’s UID is refused, and does not affect that one', () => {
    const { made, seen } = source();
    made.added(good('a'));
    const thief = { ...good('b'), metadata: { ...good('b').metadata, uid: 'uid-a' } };
    made.added(thief);
    made.deleted(thief);
    assert.deepEqual(
      seen.map(({ what, uid }) => `${what} ${uid}`),
      ['changed uid-a'],
    );
  });
});

describe('beside accepted pods', { timeout: 240_000 }, () => {
  /** The API server returns no other pods from its store. */
  const taken = badPods
    .map((pods) => pods.filter((pod) => podProblem(pod) === undefined && hasShape('core/v1.Pod', pod)))
    .filter((pods) => pods.length > 0);
  const node = {
    metadata: { name: 'n1' },
    spec: {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110' } },
  } as unknown as Node;

  it('a good pod is admitted, unless they really use the resources that it needs', () => {
    fc.assert(
      fc.property(taken, (bad) => {
        const why = admitPod(aPod(), bad, node)?.reason;
        assert.equal(why, undefined);
        const asking = aPod({
          containers: [aContainer('c', { resources: { requests: { cpu: '1' } }, ports: [{ containerPort: 80, hostPort: 80 }] })],
        });
        const reason = admitPod(asking, bad, node)?.reason;
        assert.ok(reason === undefined || reason === 'OutOfcpu' || reason === 'NodePorts', `${reason}`);
      }),
      runs,
    );
  });

  it('the classes’ control groups have a weight', async () => {
    await fc.assert(
      fc.asyncProperty(taken, async (bad) => {
        const limits: unknown[] = [];
        const cgroups = createPodCgroups(
          {
            hierarchy: { version: 2 },
            create: async () => undefined,
            limit: async (_path: string, limit: unknown) => void limits.push(limit),
            remove: async () => undefined,
            children: async () => [],
          } as never,
          '',
        );
        for (const pod of bad) await cgroups.ensure(pod, false).catch(() => undefined);
        const ours = aPod({ containers: [aContainer('c', { resources: { requests: { cpu: '1' } } })] });
        await cgroups.ensure(ours, false);
        const { cpuShares } = limits.at(-1) as { cpuShares: number };
        assert.ok(Number.isInteger(cpuShares) && cpuShares >= 2 && cpuShares <= 262_144, `${cpuShares}`);
      }),
      runs,
    );
  });

  it('each is admitted or fails on its own, in bounded time', async () => {
    const startedMs = performance.now();
    const facts = { nodeName: 'n1', hostIps: ['192.0.2.1'], podIps: ['10.0.0.1'], allocatable: {} };
    const image = { id: 'i', repoTags: [], repoDigests: [], sizeBytes: 1, username: '', pinned: false };
    await fc.assert(
      fc.asyncProperty(taken, async (bad) => {
        for (const pod of bad) {
          const containers: Container[] = Array.from(allContainers(pod), ({ container }) => container);
          const observed = observe(
            containers.map((container, index) => observedContainer(container, index % 2 === 0 ? 'running' : index)),
          );
          const probes = { startup: () => undefined, liveness: () => 'failure' as const };
          const parts: (() => unknown)[] = [
            () => computePodActions(pod, observed, probes, (one) => one.labels.resources),
            () =>
              podStatus({
                pod,
                observed,
                previous: pod.status ?? {},
                actuated: (one) => one.labels.resources,
                resize: [],
                failures: new Map(),
                readiness: { started: () => true, ready: () => true },
                runtimeName: 'r',
                hostIps: [],
                isTerminal: false,
                nowMs: 0,
              }),
            () => podHostname(pod, 'cluster.local'),
            () =>
              sandboxConfig({
                pod,
                attempt: 0,
                hostname: 'h',
                dns: { servers: [], searches: [], options: [] },
                logDirectory: '',
                cgroupParent: '',
                localSeccomp: (name) => name,
              }),
            () => asksForSync(pod, pod, pod.status ?? {}),
            ...containers.flatMap((container) => [
              () =>
                resolveEnv({
                  pod,
                  container,
                  objects: { configMap: async () => ({}) as never, secret: async () => ({}) as never },
                  serviceVariables: new Map(),
                  facts,
                }),
              () =>
                containerConfig({
                  pod,
                  container,
                  restartCount: 0,
                  image,
                  imageRef: 'i',
                  env: new Map(),
                  mounts: [],
                  resources: {},
                  localSeccomp: (name) => name,
                }),
            ]),
          ];
          for (const part of parts) {
            try {
              await part();
            } catch (error) {
              // The pod worker reports this error in an event of the pod.
              assert.ok(error instanceof Error);
            }
          }
        }
      }),
      runs,
    );
    assert.ok(performance.now() - startedMs < 90_000);
  });

  it('a command that names a long variable many times is refused before it fills the memory', () => {
    const container = aContainer('c', { args: Array.from({ length: 30_000 }, () => '$(LONG)') });
    assert.throws(
      () =>
        containerConfig({
          pod: aPod({ containers: [container] }),
          container,
          restartCount: 0,
          image: { id: 'i', sizeBytes: 0, username: '', repoTags: [], repoDigests: [], pinned: false },
          imageRef: 'i',
          env: new Map([['LONG', 'x'.repeat(1_000_000)]]),
          mounts: [],
          resources: {},
          localSeccomp: (name) => name,
        }),
      /^Error: argument list too long/,
    );
  });

  it('no probe runs without a pause', async () => {
    const clock = new FakeClock();
    const probe = { periodSeconds: -(2 ** 31), timeoutSeconds: 0, initialDelaySeconds: -5, failureThreshold: -1, exec: {} };
    const pod = aPod({ containers: [aContainer('c', { livenessProbe: probe, readinessProbe: { ...probe, periodSeconds: 0 } })] });
    let count = 0;
    const probes = createProbes({
      runner: { run: async () => ({ kind: ++count > 1000 ? 'failure' : 'success', output: '' }) as never },
      clock,
      random: () => 0,
      events: { event: () => undefined },
      log: pino({ level: 'silent' }),
      changed: () => undefined,
    });
    probes.update(pod, observe([observedContainer(aContainer('c'), 'running')]), '10.0.0.1');
    for (let second = 0; second < 10; second++) {
      await clock.advance(1000);
      await new Promise(setImmediate);
    }
    probes.stop();
    assert.ok(count >= 10 && count <= 24, `${count} runs in 10 s`);
  });
});
