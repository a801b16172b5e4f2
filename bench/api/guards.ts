/** A server with everything on that looks at requests: audit at Metadata, encryption of Secrets, admission webhooks and policies. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerProcess } from '#test/hostile/server-process.ts';

const webhooks = 10;
/** How many policies match each ConfigMap that is written. */
export const policies = 5;

const admission = '/apis/admissionregistration.k8s.io/v1';

/** The flags, and a function that removes the files that they name. */
export function guardFlags(): { flags: string[]; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'tinker-bench-'));
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const policy = file('audit.yaml', 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n');
  const secret = randomBytes(32).toString('base64');
  const encryption = file(
    'encryption.yaml',
    `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers: [{aescbc: {keys: [{name: one, secret: ${secret}}]}}, {identity: {}}]
`,
  );
  return {
    flags: [
      `--audit-policy-file=${policy}`,
      `--audit-log-path=${join(folder, 'audit.log')}`,
      `--encryption-provider-config=${encryption}`,
    ],
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Makes ten webhooks that match no object of the bench: half of them by a selector, half by a condition. */
export async function addWebhooks(server: ServerProcess): Promise<void> {
  const hook = (index: number): object => ({
    name: `hook-${index}.bench.example`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Fail',
    // Nobody is there: had one matched, each request would fail.
    clientConfig: { url: 'https://127.0.0.1:1/' },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE', 'DELETE'], resources: ['configmaps'] }],
    ...(index % 2 === 0
      ? { objectSelector: { matchLabels: { guarded: 'yes' } } }
      : { matchConditions: [{ name: 'guarded', expression: 'request.namespace == "guarded"' }] }),
  });
  const hooks = Array.from({ length: webhooks }, (_, index) => hook(index));
  await create(server, 'mutatingwebhookconfigurations', 'MutatingWebhookConfiguration', {
    metadata: { name: 'bench' },
    webhooks: hooks.slice(0, webhooks / 2),
  });
  await create(server, 'validatingwebhookconfigurations', 'ValidatingWebhookConfiguration', {
    metadata: { name: 'bench' },
    webhooks: hooks.slice(webhooks / 2),
  });
}

const expressions = [
  'object.metadata.name.size() < 200',
  "!has(object.metadata.labels) || object.metadata.labels.all(key, key != 'forbidden')",
  "!has(object.data) || object.data.all(key, key.matches('^[-._a-zA-Z0-9]+$'))",
  '!has(object.data) || object.data.size() <= 100',
  "request.userInfo.username != 'mallory'",
];

/** Makes five policies that match each ConfigMap and let it pass. Resolves when they are in force. */
export async function addPolicies(server: ServerProcess): Promise<void> {
  const denying = 'object.metadata.name != "in-force"';
  for (const [index, expression] of [...expressions.slice(0, policies - 1), `${expressions.at(-1)} && ${denying}`].entries()) {
    const name = `bench-${index}`;
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] };
    await create(server, 'validatingadmissionpolicies', 'ValidatingAdmissionPolicy', {
      metadata: { name },
      spec: { failurePolicy: 'Fail', matchConstraints: { resourceRules: [rule] }, validations: [{ expression }] },
    });
    await create(server, 'validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding', {
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    });
  }
  const probe = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'in-force' } };
  const maps = '/api/v1/namespaces/default/configmaps?dryRun=All';
  while ((await server.request('POST', maps, probe)).status < 400) await delay(100);
}

async function create(server: ServerProcess, plural: string, kind: string, rest: object): Promise<void> {
  const body = { apiVersion: 'admissionregistration.k8s.io/v1', kind, ...rest };
  const { status, text } = await server.request('POST', `${admission}/${plural}`, body);
  if (status !== 201) throw new Error(text);
}
