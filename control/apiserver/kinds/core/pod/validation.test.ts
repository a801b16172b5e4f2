import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allErrors } from '#api/field-error.ts';
import type { Pod, PodSpec, PodStatus } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { systemMeta, texts } from '../../strategy.testing.ts';
import { setPodDefaults } from './defaults.ts';
import { validatePodStatus } from './status-validation.ts';
import { podChecks, podUpdateChecks } from './validation.ts';

function pod(spec: Partial<PodSpec> = {}, annotations: Record<string, string> = {}, status: PodStatus = {}): Pod {
  const made: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...systemMeta('web', 'default'), resourceVersion: '7', annotations },
    spec: { containers: [{ name: 'c', image: 'c:1', terminationMessagePolicy: 'File', imagePullPolicy: 'Always' }], ...spec },
    status,
  };
  setPodDefaults(made);
  return made;
}

describe('annotations of pods', () => {
  const tolerations = 'scheduler.alpha.kubernetes.io/tolerations';
  const seccomp = 'seccomp.security.alpha.kubernetes.io/pod';
  const seccompC = 'container.seccomp.security.alpha.kubernetes.io/c';
  const appArmor = 'container.apparmor.security.beta.kubernetes.io/';
  const cases: [key: string, value: string, errors: string[]][] = [
    [tolerations, '[{"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":9007199254740993}]', []],
    [
      tolerations,
      '[{"key":"a","operator":"Exists","value":"b"}]',
      [`metadata.annotations.${tolerations}[0].operator: Invalid value: "b": value must be empty when \`operator\` is 'Exists'`],
    ],
    [
      tolerations,
      '[{"tolerationSeconds":"5"}]',
      [
        `metadata.annotations: Invalid value: "${tolerations}": json: cannot unmarshal string into Go struct field Toleration.TolerationSeconds of type int64`,
      ],
    ],
    [tolerations, '[', [`metadata.annotations: Invalid value: "${tolerations}": unexpected end of JSON input`]],
    [seccomp, 'runtime/default', []],
    [seccomp, 'docker/default', []],
    [seccompC, 'unconfined', []],
    [seccompC, 'localhost/a/b', []],
    [seccomp, 'localhost/../x', [`metadata.annotations.${seccomp}: Invalid value: "../x": must not contain '..'`]],
    [seccompC, 'localhost//x', [`metadata.annotations.${seccompC}: Invalid value: "/x": must be a relative path`]],
    [seccomp, 'other', [`metadata.annotations.${seccomp}: Invalid value: "other": must be a valid seccomp profile`]],
    [`${appArmor}c`, 'runtime/default', []],
    [`${appArmor}c`, 'localhost/x', []],
    [`${appArmor}d`, 'unconfined', [`metadata.annotations[${appArmor}d]: Invalid value: "d": container not found`]],
    [`${appArmor}c`, 'x', [`metadata.annotations[${appArmor}c]: Invalid value: "x": invalid AppArmor profile name: "x"`]],
  ];
  for (const [key, value, errors] of cases)
    it(`${key} ${value}`, () => assert.deepEqual(texts(allErrors(podChecks(pod({}, { [key]: value })))), errors));

  const type = 'Forbidden: seccomp type in annotation and field must match';
  const fields: [what: string, pod: Pod, errors: string[]][] = [
    [
      'the same profile twice',
      pod({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }, { [seccomp]: 'docker/default' }),
      [],
    ],
    [
      'two profiles of the pod',
      pod({ securityContext: { seccompProfile: { type: 'Unconfined' } } }, { [seccomp]: 'runtime/default' }),
      [`spec.securityContext.seccompProfile.type: ${type}`],
    ],
    [
      'two files',
      pod({ securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a' } } }, { [seccomp]: 'localhost/b' }),
      ['spec.securityContext.seccompProfile.localhostProfile: Forbidden: seccomp profile in annotation and field must match'],
    ],
    [
      'AppArmor of the pod against that of a container',
      pod({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }, { [`${appArmor}c`]: 'unconfined' }),
      ['spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match'],
    ],
  ];
  for (const [what, one, errors] of fields) it(what, () => assert.deepEqual(texts(allErrors(podChecks(one))), errors));
});

describe('a gated pod', () => {
  const gated = (spec: Partial<PodSpec>): Pod => pod({ schedulingGates: [{ name: 'g' }], ...spec });
  const requirement = (key: string) => ({ key, operator: 'Exists' });
  const terms = (...keys: string[][]): Partial<PodSpec> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: keys.map((list) => ({ matchExpressions: list.map(requirement) })),
        },
      },
    },
  });
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  const cases: [what: string, old: Partial<PodSpec>, now: Partial<PodSpec>, errors: (string | RegExp)[]][] = [
    ['gets a selector', {}, { nodeSelector: { a: 'b' } }, []],
    ['gets more of one', { nodeSelector: { a: 'b' } }, { nodeSelector: { a: 'b', c: 'd' } }, []],
    [
      'keeps its selector',
      { nodeSelector: { a: 'b' } },
      { nodeSelector: { a: 'c' } },
      [
        'spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ],
    ],
    ['gets an affinity', {}, terms(['a']), []],
    ['gets an affinity to nodes beside that to pods', { affinity: {} }, terms(['a']), []],
    ['gets another requirement', terms(['a'], ['b']), terms(['a', 'c'], ['b']), []],
    [
      'keeps its requirements',
      terms(['a']),
      terms(['b']),
      [
        `${path}[0]: Invalid value: {"MatchExpressions":[{"Key":"b","Operator":"Exists","Values":null}],"MatchFields":null}: only additions are allowed (no mutations or deletions)`,
      ],
    ],
    [
      'gets no other term',
      terms(['a']),
      terms(['a'], ['b']),
      [
        /nodeSelectorTerms: Invalid value: \[\{"MatchExpressions".*: no additions\/deletions to non-empty NodeSelectorTerms list are allowed$/,
      ],
    ],
    [
      'keeps its affinity',
      terms(['a']),
      {},
      [`${path}: Invalid value: null: no additions/deletions to non-empty NodeSelectorTerms list are allowed`],
    ],
    [
      'gets no affinity to pods',
      {},
      { affinity: { podAffinity: {} } },
      [/^spec: Forbidden: pod updates may not change fields other than/],
    ],
  ];
  for (const [what, old, now, errors] of cases)
    it(what, () => {
      const found = texts(allErrors(podUpdateChecks(gated(now), gated(old))));
      assert.equal(found.length, errors.length, found.join('\n'));
      for (const [index, error] of errors.entries()) {
        if (typeof error === 'string') assert.equal(found[index], error);
        else assert.match(found[index] ?? '', error);
      }
    });
});

describe('an update', () => {
  it('shows what it may not change, but not of tens of thousands of values', () => {
    const volumes = (count: number, medium: string) =>
      Array.from({ length: count }, (_, index) => ({ name: `v${index}`, emptyDir: { medium } }));
    const told = (count: number): string =>
      texts(allErrors(podUpdateChecks(pod({ volumes: volumes(count, 'Memory') }), pod({ volumes: volumes(count, '') })))).join();
    assert.match(told(2), /pod updates may not change fields other than [^]*\+ +"medium": "Memory"/);
    assert.match(told(10_000), /pod updates may not change fields other than [^\n]*\n…\n$/);
  });
});

describe('a status', () => {
  const container = (more: object) => ({
    containerStatuses: [{ name: 'c', image: '', imageID: '', ready: true, restartCount: 0, ...more }],
  });
  const at = 'status.containerStatuses[0]';
  const cases: [what: string, status: PodStatus, errors: string[], spec?: Partial<PodSpec>][] = [
    ['a user', container({ user: { linux: { uid: 0, gid: 0 } } }), []],
    [
      'a user that none has',
      container({ user: { linux: { uid: -1, gid: 2 ** 31, supplementalGroups: [-5] } } }),
      [
        `${at}.user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive`,
        `${at}.user.linux.gid: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive`,
        `${at}.user.linux.supplementalGroups[0]: Invalid value: -5: must be between 0 and 2147483647, inclusive`,
      ],
    ],
    [
      'a user of another system',
      container({ user: { linux: { uid: 0, gid: 0 } } }),
      [`${at}.user.linux: Forbidden: cannot be set for a windows pod`],
      { os: { name: 'windows' } },
    ],
    [
      'devices that nobody asked for',
      container({
        allocatedResourcesStatus: [
          {
            name: 'a/b',
            resources: [
              { resourceID: 'x', health: 'Fine' },
              { resourceID: 'x', health: 'Healthy', message: '' },
            ],
          },
        ],
      }),
      [
        `${at}.allocatedResourcesStatus[0].name: Invalid value: "a/b": must match one of the container's resource requests`,
        `${at}.allocatedResourcesStatus[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown"`,
        `${at}.allocatedResourcesStatus[0].resources[1].message: Required value: must be non-empty if specified`,
        `${at}.allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: "x"`,
      ],
    ],
    [
      'an image volume without image',
      container({ volumeMounts: [{ name: 'v', mountPath: '/v', volumeStatus: { image: { imageRef: '' } } }] }),
      [`${at}.volumeMounts[0].volumeStatus.imageVolumeStatus.imageRef: Required value: imageRef must not be empty`],
    ],
    [
      'claims that the pod has not',
      { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'A' }] },
      [
        'status.resourceClaimStatuses[0].name: Invalid value: "gpu": must match the name of an entry in `spec.resourceClaims`',
        `status.resourceClaimStatuses[0].resourceClaimName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      ],
    ],
  ];
  for (const [what, status, errors, spec] of cases)
    it(what, () => assert.deepEqual(texts(validatePodStatus(pod(spec, {}, status), pod(spec))), errors));

  it('of tens of thousands of containers that start again is checked in a moment', () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `c${index}`);
    const resources = { claims: [{ name: 'a' }] };
    const many = { containers: names.map((name) => ({ name, image: 'i', resources })), restartPolicy: 'Always' };
    const devices = [{ name: 'claim:a', resources: [{ resourceID: 'x', health: 'Healthy' }] }];
    const status = (state: object): PodStatus =>
      ({ containerStatuses: names.map((name) => ({ name, state, allocatedResourcesStatus: devices })) }) as unknown as PodStatus;
    const [now, old] = [pod(many, {}, status({ running: {} })), pod(many, {}, status({ terminated: { exitCode: 1 } }))];
    const startMs = cpuMs();
    assert.deepEqual(validatePodStatus(now, old), []);
    assert.ok(cpuMs() - startMs < 5000, `${cpuMs() - startMs} ms`);
  });
});
