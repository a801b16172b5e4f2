import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../strategy.testing.ts';
import { mutatingWebhookConfigurationKind } from './mutatingwebhookconfiguration/strategy.ts';
import { validatingWebhookConfigurationKind } from './validatingwebhookconfiguration/strategy.ts';
import { webhookSample } from './webhook.testing.ts';

const { strategy } = validatingWebhookConfigurationKind;
const configuration = (webhooks: object[]): ValidatingWebhookConfiguration =>
  ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: systemMeta('hooks'),
    webhooks,
  }) as ValidatingWebhookConfiguration;
const [rule] = webhookSample.rules;

describe('configurations of webhooks', () => {
  it('get their defaults', async () => {
    const { name, admissionReviewVersions, sideEffects, clientConfig } = webhookSample;
    const short = { name, admissionReviewVersions, sideEffects, clientConfig: { service: { name: 's', namespace: 'n' } } };
    const { object, errors } = await create(strategy, configuration([{ ...short, rules: [{ ...rule, scope: undefined }] }]));
    assert.deepEqual(errors, []);
    assert.deepEqual(object.webhooks?.[0], {
      ...short,
      clientConfig: { service: { name: 's', namespace: 'n', port: 443 } },
      rules: [{ ...rule, scope: '*' }],
      failurePolicy: 'Fail',
      matchPolicy: 'Equivalent',
      namespaceSelector: {},
      objectSelector: {},
      timeoutSeconds: 10,
    });
    const mutating = { ...configuration([{ ...short, clientConfig }]), kind: 'MutatingWebhookConfiguration' };
    const made = await create(mutatingWebhookConfigurationKind.strategy, mutating as MutatingWebhookConfiguration);
    assert.equal(made.object.webhooks?.[0]?.reinvocationPolicy, 'Never');
  });

  const refused: [what: string, more: object, errors: string[]][] = [
    [
      'a short name',
      { name: 'a.b' },
      ['webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'],
    ],
    ['no name', { name: '' }, ['webhooks[0].name: Required value']],
    [
      'no version of reviews',
      { admissionReviewVersions: [] },
      ['webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1'],
    ],
    [
      'unknown versions',
      { admissionReviewVersions: ['v2'] },
      ['webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1'],
    ],
    [
      'side effects',
      { sideEffects: 'Some' },
      ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
    ],
    [
      'a long timeout',
      { timeoutSeconds: 31 },
      ['webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
    ],
    [
      'a strange policy',
      { failurePolicy: 'Maybe' },
      ['webhooks[0].failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"'],
    ],
    [
      'two addresses',
      { clientConfig: { ...webhookSample.clientConfig, url: 'https://a' } },
      ['webhooks[0].clientConfig: Required value: exactly one of url or service is required'],
    ],
    [
      'a URL of another form',
      { clientConfig: { url: 'http://me@a/x?y=1#z' } },
      [
        `webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
        'webhooks[0].clientConfig.url: Invalid value: "me": user information is not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "z": fragments are not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "y=1": query parameters are not permitted in the URL',
      ],
    ],
    [
      'a service without a name, with a path of empty parts',
      { clientConfig: { service: { name: '', namespace: 'n', path: '/a//b' } } },
      [
        'webhooks[0].clientConfig.service.name: Required value',
        'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
      ],
    ],
    ['no operation', { rules: [{ ...rule, operations: [] }] }, ['webhooks[0].rules[0].operations: Required value']],
    [
      'an unknown operation',
      { rules: [{ ...rule, operations: ['READ'] }] },
      [
        'webhooks[0].rules[0].operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
      ],
    ],
    [
      'resources within others',
      { rules: [{ ...rule, resources: ['pods/*', 'pods/log', '*', 'nodes'] }] },
      [
        `webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log`,
        `webhooks[0].rules[0].resources: Invalid value: ["pods/*","pods/log","*","nodes"]: if '*' is present, must not specify other resources without subresources`,
      ],
    ],
    [
      'conditions that are none',
      {
        matchConditions: [
          { name: 'a', expression: '1 +' },
          { name: 'a', expression: '"x"' },
          { name: '', expression: '' },
        ],
      },
      [
        `webhooks[0].matchConditions[0].expression: Invalid value: "1 +": compilation failed: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^`,
        'webhooks[0].matchConditions[1].expression: Invalid value: "\\"x\\"": must evaluate to bool but got string',
        'webhooks[0].matchConditions[1].name: Duplicate value: "a"',
        'webhooks[0].matchConditions[2].expression: Required value',
        'webhooks[0].matchConditions[2].name: Required value',
      ],
    ],
  ];
  for (const [what, more, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, configuration([{ ...webhookSample, ...more }]), ...errors);
    });

  it('have names that differ, and keep what an older server let them have', async () => {
    await rejects(
      strategy,
      configuration([webhookSample, webhookSample]),
      'webhooks[1].name: Duplicate value: "check.pods.example.com"',
    );
    const old = configuration([{ ...webhookSample, sideEffects: 'Unknown' }, webhookSample, webhookSample]);
    const { errors } = await update(strategy, old, ({ metadata }) => {
      metadata.labels = { a: 'b' };
    });
    assert.deepEqual(errors, []);
  });
});
