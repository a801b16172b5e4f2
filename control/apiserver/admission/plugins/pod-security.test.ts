import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import { ApiError } from '#api/status.ts';
import type { Pod, PodSpec, SecurityContext } from '#api/types.generated.ts';
import { attributesOf, testContext } from '../../kinds/strategy.testing.ts';
import { objectOf } from '../admission.testing.ts';
import type { AdmissionAttributes, Operation } from '../plugin.ts';
import { detailsText, violationsOf } from './pod-security/evaluate.ts';
import type { Level } from './pod-security/policy.ts';
import { type PodSecurityOptions, podSecurity } from './pod-security.ts';

const latest = Number.POSITIVE_INFINITY;
const spec = (context: SecurityContext | undefined, more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [{ name: 'a', image: 'i', ...(context === undefined ? {} : { securityContext: context }) }],
  ...more,
});
const details = (pod: PodSpec, level: Level, version = latest, annotations?: Record<string, string>): string =>
  detailsText(violationsOf({ metadata: { annotations }, spec: pod }, { level, version }));

/** A pod that satisfies all checks. */
const good: SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

describe('the level baseline', () => {
  const cases: [PodSpec, string][] = [
    [spec(undefined), ''],
    [spec({ privileged: true }), 'privileged (container "a" must not set securityContext.privileged=true)'],
    [
      spec({ capabilities: { add: ['SYS_ADMIN', 'CHOWN', 'NET_RAW'] } }),
      'non-default capabilities (container "a" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)',
    ],
    [spec(undefined, { hostNetwork: true, hostIPC: true }), 'host namespaces (hostNetwork=true, hostIPC=true)'],
    [
      spec(undefined, {
        volumes: [
          { name: 'x', hostPath: { path: '/' } },
          { name: 'y', hostPath: { path: '/' } },
        ],
      }),
      'hostPath volumes (volumes "x", "y")',
    ],
    [
      {
        containers: [
          {
            name: 'a',
            ports: [
              { containerPort: 1, hostPort: 80 },
              { containerPort: 2, hostPort: 9 },
            ],
          },
        ],
        initContainers: [{ name: 'i', ports: [{ containerPort: 1, hostPort: 80 }] }],
      },
      'hostPort (containers "i", "a" use hostPorts 80, 9)',
    ],
    [
      {
        containers: [
          {
            name: 'a',
            livenessProbe: { httpGet: { port: 1, host: 'h' } },
            lifecycle: { preStop: { tcpSocket: { port: 1, host: 'g' } } },
          },
        ],
      },
      'probe or lifecycle host (container "a" uses probe or lifecycle hosts "g", "h")',
    ],
    [spec({ procMount: 'Unmasked' }), 'procMount (container "a" must not set securityContext.procMount to "Unmasked")'],
    [spec({ procMount: 'Unmasked' }, { hostUsers: false }), ''],
    [
      spec({ appArmorProfile: { type: 'Unconfined' } }, { securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
      'forbidden AppArmor profile (pod and container "a" must not set AppArmor profile type to "Unconfined")',
    ],
    [
      spec({ seccompProfile: { type: 'Unconfined' } }),
      'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      spec({ seLinuxOptions: { type: 'spc_t', user: 'u' } }, { securityContext: { seLinuxOptions: { role: 'r' } } }),
      'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set)',
    ],
    [
      spec(undefined, {
        securityContext: {
          sysctls: [
            { name: 'net.ipv4.tcp_rmem', value: '1' },
            { name: 'kernel.msgmax', value: '1' },
          ],
        },
      }),
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      spec({ windowsOptions: { hostProcess: true } }),
      'hostProcess (container "a" must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      spec({ privileged: true }, { hostPID: true }),
      'host namespaces (hostPID=true), privileged (container "a" must not set securityContext.privileged=true)',
    ],
  ];
  for (const [pod, expected] of cases)
    it(expected === '' ? 'allows what is usual' : `refuses: ${expected}`, () => {
      assert.equal(details(pod, 'baseline'), expected);
      assert.equal(details(pod, 'privileged'), '');
    });

  it('reads annotations of AppArmor, and before 1.19 those of seccomp', () => {
    const key = 'container.apparmor.security.beta.kubernetes.io/a';
    assert.equal(
      details(spec(undefined), 'baseline', latest, { [key]: 'unconfined' }),
      `forbidden AppArmor profile (annotation must not set AppArmor profile type to "${key}="unconfined"")`,
    );
    const seccomp = { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' };
    assert.equal(
      details(spec(undefined), 'baseline', 18, seccomp),
      'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
    );
    assert.equal(details(spec(undefined), 'baseline', 19, seccomp), '');
  });

  it('is what it was in an older version', () => {
    const sysctl = (name: string) => spec(undefined, { securityContext: { sysctls: [{ name, value: '1' }] } });
    const since: [PodSpec, version: number][] = [
      [sysctl('net.ipv4.ip_local_reserved_ports'), 27],
      [sysctl('net.ipv4.tcp_fin_timeout'), 29],
      [sysctl('net.ipv4.tcp_wmem'), 32],
      [spec({ seLinuxOptions: { type: 'container_engine_t' } }), 31],
      [spec({ procMount: 'Unmasked' }, { hostUsers: false }), 35],
    ];
    for (const [pod, version] of since) {
      assert.notEqual(details(pod, 'baseline', version - 1), '');
      assert.equal(details(pod, 'baseline', version), '');
    }
    const probe = { containers: [{ name: 'a', livenessProbe: { httpGet: { port: 1, host: 'h' } } }] };
    assert.deepEqual([details(probe, 'baseline', 33), details(probe, 'baseline', 34) === ''], ['', false]);
  });
});

describe('the level restricted', () => {
  const without = (name: keyof SecurityContext): SecurityContext => ({ ...good, [name]: undefined });
  const cases: [PodSpec, string][] = [
    [spec(good), ''],
    [
      spec(undefined),
      'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    [
      spec({ ...good, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CHOWN'] } }),
      'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    [
      spec(good, {
        volumes: [
          { name: 'n', nfs: { path: '/', server: 's' } },
          { name: 'h', hostPath: { path: '/' } },
          { name: 'e', emptyDir: {} },
        ],
      }),
      'restricted volume types (volumes "n", "h" use restricted volume types "hostPath", "nfs")',
    ],
    [
      spec({ ...good, runAsNonRoot: false }, { securityContext: { runAsNonRoot: true } }),
      'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)',
    ],
    [spec(without('runAsNonRoot'), { securityContext: { runAsNonRoot: true } }), ''],
    [spec({ ...good, runAsUser: 0 }), 'runAsUser=0 (container "a" must not set runAsUser=0)'],
    [spec({ ...without('runAsNonRoot'), runAsUser: 0 }, { hostUsers: false }), ''],
    [spec(without('seccompProfile'), { securityContext: { seccompProfile: { type: 'Localhost' } } }), ''],
    [
      spec({ ...good, procMount: 'Unmasked' }, { hostUsers: false }),
      'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
    ],
    [spec({ runAsNonRoot: true }, { os: { name: 'windows' } }), ''],
  ];
  for (const [pod, expected] of cases)
    it(expected === '' ? 'allows what keeps to it' : `refuses: ${expected}`, () => {
      assert.equal(details(pod, 'restricted'), expected);
    });

  it('asked for less before', () => {
    assert.equal(details(spec({ runAsNonRoot: true }), 'restricted', 7), '');
    assert.match(details(spec({ runAsNonRoot: true }), 'restricted', 8), /^allowPrivilegeEscalation/);
    assert.match(
      details(spec({ runAsNonRoot: true, capabilities: { add: ['SYS_ADMIN'] } }), 'restricted', 7),
      /^non-default capabilities/,
    );
    assert.equal(details(spec({ ...good, capabilities: {} }), 'restricted', 21), '');
    assert.match(details(spec(good, { hostUsers: false, os: { name: 'linux' } }), 'restricted', 99), /^$/);
  });
});

describe('PodSecurity', () => {
  const key = (name: string): string => `pod-security.kubernetes.io/${name}`;
  const space = (labels: Record<string, string>): KubeObject => ({
    ...objectOf('Namespace', 'ns'),
    metadata: {
      ...objectOf('Namespace', 'ns').metadata,
      labels: Object.fromEntries(Object.entries(labels).map(([name, value]) => [key(name), value])),
    },
  });
  const pod = (name: string, more: PodSpec): KubeObject => objectOf('Pod', name, 'ns', { spec: more });

  interface Question {
    operation?: Operation;
    old?: KubeObject;
    labels?: Record<string, string>;
    options?: PodSecurityOptions;
    told?: Partial<AdmissionAttributes>;
    pods?: KubeObject[];
  }
  /** The message of the refusal, and the warnings. */
  async function asked(object: KubeObject, { operation, old, labels = {}, options, told = {}, pods = [] }: Question = {}) {
    const warnings: string[] = [];
    const stored = Object.fromEntries([
      ['namespaces//ns', space(labels)],
      ...pods.map((one) => [`pods/ns/${one.metadata.name}`, one]),
    ]);
    const context = { ...testContext({ stored }), warn: (text: string) => void warnings.push(text) };
    const attributes = { ...attributesOf(operation ?? (old === undefined ? 'create' : 'update'), object, old, ''), ...told };
    try {
      await podSecurity(options).validate?.(attributes, context);
      return { refused: undefined, warnings };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { refused: `${error.code} ${error.message}`, warnings };
    }
  }
  const violating = pod('p', spec({ privileged: true }));
  const why = 'privileged (container "a" must not set securityContext.privileged=true)';

  it('refuses what the namespace enforces, in the version that it names', async () => {
    assert.deepEqual(await asked(violating), { refused: undefined, warnings: [] });
    assert.deepEqual(await asked(violating, { labels: { enforce: 'baseline' } }), {
      refused: `403 pods "p" is forbidden: violates PodSecurity "baseline:latest": ${why}`,
      warnings: [],
    });
    const older = { enforce: 'baseline', 'enforce-version': 'v1.20' };
    assert.match((await asked(violating, { labels: older })).refused ?? '', /violates PodSecurity "baseline:v1.20": privileged/);
  });

  it('warns of what it would refuse, also of the templates of what makes pods', async () => {
    const would = `would violate PodSecurity "baseline:latest": ${why}`;
    assert.deepEqual(await asked(violating, { labels: { warn: 'baseline' } }), { refused: undefined, warnings: [would] });
    const { spec: podSpec } = violating as Pod;
    const deployment = objectOf('Deployment', 'd', 'ns', { apiVersion: 'apps/v1', spec: { template: { spec: podSpec } } });
    // An enforced level gives warnings for workloads, too.
    for (const mode of ['warn', 'enforce'])
      assert.deepEqual(await asked(deployment, { labels: { [mode]: 'baseline' } }), { refused: undefined, warnings: [would] });
    const job = objectOf('CronJob', 'c', 'ns', { spec: { jobTemplate: { spec: { template: { spec: podSpec } } } } });
    const resource = { group: 'batch', version: 'v1', plural: 'cronjobs' };
    const { warnings } = await asked(pod('x', podSpec), { labels: { warn: 'baseline' }, told: { resource, object: job } });
    assert.deepEqual(warnings, [would]);
  });

  it('takes labels that it cannot read for the strictest', async () => {
    assert.match(
      (await asked(pod('p', spec(undefined)), { labels: { enforce: 'odd' } })).refused ?? '',
      /violates PodSecurity "restricted:latest"/,
    );
  });

  it('looks at updates only where containers change', async () => {
    const question = { labels: { enforce: 'baseline' } };
    assert.equal((await asked(violating, { ...question, old: violating })).refused, undefined);
    const changed = pod('p', { containers: [{ name: 'a', image: 'other', securityContext: { privileged: true } }] });
    assert.match((await asked(changed, { ...question, old: violating })).refused ?? '', /^403/);
    const debug = { name: 'd', image: 'i', securityContext: { privileged: true } };
    const plain = pod('p', spec(undefined));
    const debugged = pod('p', spec(undefined, { ephemeralContainers: [debug] }));
    const told = { subresource: 'ephemeralcontainers' };
    assert.match((await asked(debugged, { ...question, old: plain, told })).refused ?? '', /container "d" must not set/);
    assert.equal((await asked(violating, { ...question, told: { subresource: 'status' } })).refused, undefined);
  });

  it('looks at nothing that is exempt', async () => {
    const labels = { enforce: 'baseline' };
    const of = (exemptions: PodSecurityOptions['exemptions'], object = violating) =>
      asked(object, { labels, options: { exemptions: exemptions ?? {} } });
    assert.equal((await of({ namespaces: ['ns'] })).refused, undefined);
    assert.equal((await of({ usernames: ['tester'] })).refused, undefined);
    const classy = pod('p', spec({ privileged: true }, { runtimeClassName: 'sandboxed' }));
    assert.equal((await of({ runtimeClasses: ['sandboxed'] }, classy)).refused, undefined);
    assert.match((await of({ runtimeClasses: ['other'], usernames: ['other'] }, classy)).refused ?? '', /^403/);
  });

  const invalid = `422 Namespace "ns" is invalid: metadata.labels[${key('enforce')}]: Invalid value: "odd": must be one of privileged, baseline, restricted`;

  it('refuses labels of namespaces that are not valid, but not those that were there', async () => {
    const bad = space({ enforce: 'odd' });
    assert.equal((await asked(bad)).refused, invalid);
    assert.equal((await asked(bad, { old: space({}) })).refused, invalid);
    assert.equal((await asked(bad, { old: bad })).refused, undefined);
    const version = space({ 'warn-version': '1.30' });
    assert.match((await asked(version)).refused ?? '', /warn-version\]: Invalid value: "1.30": must be "latest" or "v1.x"$/);
  });

  it('warns of pods that a stricter label would refuse', async () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'u', controller: true };
    const owned = (name: string): KubeObject => {
      const one = pod(name, spec(undefined, { hostPID: true }));
      return { ...one, metadata: { ...one.metadata, ownerReferences: [owner] } };
    };
    const pods = [owned('r-2'), owned('r-1'), owned('r-3'), violating, pod('fine', spec(undefined))];
    const labels = space({ enforce: 'baseline', 'enforce-version': 'v1.30' });
    assert.deepEqual((await asked(labels, { old: space({}), pods })).warnings, [
      'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:v1.30"',
      'p: privileged',
      'r-1 (and 2 other pods): host namespaces',
    ]);
    assert.deepEqual((await asked(space({}), { old: labels, pods })).warnings, []);
    assert.deepEqual(
      (await asked(labels, { old: space({ enforce: 'restricted', 'enforce-version': 'v1.30' }), pods })).warnings,
      [],
    );
    const exempt = await asked(labels, { old: space({}), pods, options: { exemptions: { namespaces: ['ns'] } } });
    assert.deepEqual(exempt.warnings, [
      'namespace "ns" is exempt from Pod Security, and the policy (enforce=baseline:v1.30) will be ignored',
    ]);
  });
});
