import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AdmissionSettings, readAdmissionConfiguration } from './admission-configuration.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'admission-config-'));
});
after(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n';
const read = (plugins: string): AdmissionSettings => readAdmissionConfiguration(write('admission.yaml', head + plugins));
const podSecurity = (rest: string): string =>
  `- name: PodSecurity\n  configuration:\n    apiVersion: pod-security.admission.config.k8s.io/v1\n    kind: PodSecurityConfiguration\n${rest}`;

describe('an AdmissionConfiguration', () => {
  it('configures PodSecurity: defaults and exemptions', () => {
    const text = `    defaults: {enforce: baseline, enforce-version: v1.30, warn: restricted}\n    exemptions: {usernames: [me], namespaces: [kube-system], runtimeClasses: [kata]}\n`;
    const latest = Number.POSITIVE_INFINITY;
    assert.deepEqual(read(podSecurity(text)).podSecurity, {
      defaults: {
        enforce: { level: 'baseline', version: 30 },
        warn: { level: 'restricted', version: latest },
        audit: { level: 'privileged', version: latest },
      },
      exemptions: { usernames: ['me'], namespaces: ['kube-system'], runtimeClasses: ['kata'] },
    });
  });

  it('configures ResourceQuota, in files of their own and under both names', () => {
    const limits =
      'limitedResources:\n- {resource: persistentvolumeclaims, matchContains: [gold.storageclass]}\n- resource: pods\n  matchScopes: [{scopeName: PriorityClass, operator: In, values: [high]}]\n';
    const expected = [
      { group: '', resource: 'persistentvolumeclaims', matchContains: ['gold.storageclass'], matchScopes: [] },
      {
        group: '',
        resource: 'pods',
        matchContains: [],
        matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }],
      },
    ];
    for (const type of [
      'apiVersion: apiserver.config.k8s.io/v1\nkind: ResourceQuotaConfiguration',
      'apiVersion: resourcequota.admission.k8s.io/v1beta1\nkind: Configuration',
    ]) {
      write('quota.yaml', `${type}\n${limits}`);
      assert.deepEqual(read('- {name: ResourceQuota, path: quota.yaml}\n').limitedResources, expected);
    }
  });

  it('configures where pods run, and how many events there may be', () => {
    const settings = read(`- name: PodNodeSelector
  configuration: {podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: "a=b", team: "c=d"}}
- name: PodTolerationRestriction
  configuration:
    apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1
    kind: Configuration
    default: [{key: x, operator: Exists}]
- name: EventRateLimit
  configuration:
    apiVersion: eventratelimit.admission.k8s.io/v1alpha1
    kind: Configuration
    limits: [{type: Namespace, qps: 50, burst: 100, cacheSize: 2000}, {type: Server, qps: 1, burst: 2}]
- name: Whatever
  configuration: {a: 1}
`);
    assert.deepEqual(settings.podNodeSelectors, { clusterDefaultNodeSelector: 'a=b', team: 'c=d' });
    assert.deepEqual(settings.tolerationRestriction, { defaults: [{ key: 'x', operator: 'Exists' }], whitelist: [] });
    assert.deepEqual(settings.eventLimits, [
      { type: 'Namespace', qps: 50, burst: 100, cacheSize: 2000 },
      { type: 'Server', qps: 1, burst: 2, cacheSize: 4096 },
    ]);
  });

  it('says as whom webhooks are called: the user of the host, or of ever less of it', () => {
    const users = ['hook.ns.svc:8443', '*.ns.svc', '*'].map((name) => `- {name: "${name}", user: {token: "${name}"}}`).join('\n');
    write('users.yaml', `apiVersion: v1\nkind: Config\nusers:\n${users}\n`);
    const { validatingWebhookCredentials: credentials, mutatingWebhookCredentials } = read(
      '- name: ValidatingAdmissionWebhook\n  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: users.yaml}\n',
    );
    assert.equal(mutatingWebhookCredentials, undefined);
    for (const [host, token] of [
      ['hook.ns.svc:8443', 'hook.ns.svc:8443'],
      ['other.ns.svc', '*.ns.svc'],
      ['example.com', '*'],
    ] as const)
      assert.equal(credentials?.(host)?.token, token);
  });

  const wrong: [what: string, plugins: string, message: RegExp][] = [
    [
      'an unknown field',
      '- {nam: x}\n',
      /unable to read admission control configuration from ".*" \[strict decoding error: unknown field "plugins\[0\]\.nam"\]/,
    ],
    [
      'levels, versions and names that are not valid, all at once',
      podSecurity(
        '    defaults: {enforce: strict, warn-version: v2}\n    exemptions: {namespaces: [A, b, b], usernames: [""]}\n',
      ),
      /^couldn't init admission plugin "PodSecurity": \[defaults\.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted, defaults\.warn-version: Invalid value: "v2": must be "latest" or "v1\.x", exemptions\.namespaces\[0\]: Invalid value: "A": .*exemptions\.namespaces\[2\]: Duplicate value: "b", exemptions\.usernames\[0\]: Invalid value: "": username must not be empty\]$/,
    ],
    [
      'a kind that nobody knows',
      '- {name: PodSecurity, configuration: {kind: X, apiVersion: v1}}\n',
      /no kind "X" is registered for version "v1"/,
    ],
    [
      'limits of nothing',
      '- {name: EventRateLimit, configuration: {apiVersion: eventratelimit.admission.k8s.io/v1alpha1, kind: Configuration, limits: [{type: Odd}]}}\n',
      /limits\[0\]\.type: Unsupported value: "Odd".*limits\[0\]\.burst: Invalid value: 0: must be positive.*limits\[0\]\.qps/,
    ],
    [
      'a file that is not there',
      '- {name: ResourceQuota, path: none.yaml}\n',
      /couldn't init admission plugin "ResourceQuota": ENOENT/,
    ],
    [
      'a toleration that is none',
      '- {name: PodTolerationRestriction, configuration: {apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1, kind: Configuration, whitelist: [{key: a, operator: Odd}]}}\n',
      /invalid config: podtolerationrestriction\.whitelist\[0\]\.operator: Unsupported value: "Odd"/,
    ],
  ];
  for (const [what, plugins, message] of wrong)
    it(`is refused for ${what}`, () => {
      assert.throws(() => read(plugins), { message });
    });
});
