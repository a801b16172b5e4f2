import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node } from '#api/types.generated.ts';
import { systemMeta, texts } from '../../strategy.testing.ts';
import { validateNode, validateNodeUpdate } from './validation.ts';

const node = (annotations: Record<string, string>, more: Partial<Node> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { ...systemMeta('n'), resourceVersion: '7', annotations },
  spec: {},
  ...more,
});

describe('annotations of nodes', () => {
  const taints = 'scheduler.alpha.kubernetes.io/taints';
  const avoid = 'scheduler.alpha.kubernetes.io/preferAvoidPods';
  const cases: [key: string, value: string, errors: string[]][] = [
    [taints, '', []],
    [taints, 'null', []],
    [taints, '[{"key":"a","effect":"NoSchedule"},{"KEY":"b","Effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"}]', []],
    [
      taints,
      '[{"key":"a b","value":"/","effect":"Never"}]',
      [
        `metadata.annotations.${taints}[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
        `metadata.annotations.${taints}[0].value: Invalid value: "/": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
        `metadata.annotations.${taints}[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`,
      ],
    ],
    [
      taints,
      '[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule"}]',
      [
        `metadata.annotations.${taints}[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair`,
      ],
    ],
    [taints, 'x', [`metadata.annotations: Invalid value: "${taints}": invalid character 'x' looking for beginning of value`]],
    [
      taints,
      '{}',
      [`metadata.annotations: Invalid value: "${taints}": json: cannot unmarshal object into Go value of type []core.Taint`],
    ],
    [
      taints,
      '[{"key":5}]',
      [
        `metadata.annotations: Invalid value: "${taints}": json: cannot unmarshal number into Go struct field Taint.Key of type string`,
      ],
    ],
    [avoid, '{"preferAvoidPods":[{"podSignature":{"podController":{"controller":true}}}]}', []],
    [avoid, '{"preferAvoidPods":[{}]}', [`metadata.annotations.${avoid}[0].PodSignature: Required value`]],
    [
      avoid,
      '{"preferAvoidPods":[{"podSignature":{"podController":{"controller":false}}}]}',
      [
        `metadata.annotations.${avoid}[0].PodSignature.PodController.Controller: Invalid value: false: must point to a controller`,
      ],
    ],
    [
      avoid,
      '[]',
      [
        `metadata.annotations.AvoidPods: Invalid value: "${avoid}": json: cannot unmarshal array into Go value of type v1.AvoidPods`,
      ],
    ],
  ];
  for (const [key, value, errors] of cases)
    it(`${key.replace(/.*\//, '')} ${value}`, () => {
      assert.deepEqual(texts(validateNode(node({ [key]: value }))), errors);
      assert.deepEqual(texts(validateNodeUpdate(node({ [key]: value }), node({}))), errors);
    });
});

describe('configSource', () => {
  const source = { namespace: 'kube-system', name: 'config', kubeletConfigKey: 'kubelet' };
  const spec = (configMap: object | undefined): Partial<Node> => ({ spec: { configSource: { configMap } as never } });
  const status = (config: object): Partial<Node> => ({ status: { config } as never });
  const at = 'spec.configSource';
  const cases: [what: string, more: Partial<Node>, errors: string[]][] = [
    ['one that is whole', spec(source), []],
    [
      'one of nothing',
      spec(undefined),
      [`${at}: Invalid value: {"ConfigMap":null}: exactly one reference subfield must be non-nil`],
    ],
    [
      'one that names a certain object',
      spec({ ...source, uid: 'u', resourceVersion: '1' }),
      [
        `${at}.configMap.uid: Forbidden: uid must not be set in spec`,
        `${at}.configMap.resourceVersion: Forbidden: resourceVersion must not be set in spec`,
      ],
    ],
    [
      'an empty one',
      spec({}),
      [
        `${at}.configMap.namespace: Required value`,
        `${at}.configMap.name: Required value`,
        `${at}.configMap.kubeletConfigKey: Required value`,
      ],
    ],
    ['a report that is whole', status({ active: { configMap: { ...source, uid: 'u', resourceVersion: '1' } } }), []],
    [
      'a report of no certain object',
      status({ lastKnownGood: { configMap: source } }),
      [
        'status.config.lastKnownGood.configMap.uid: Required value',
        'status.config.lastKnownGood.configMap.resourceVersion: Required value',
      ],
    ],
  ];
  for (const [what, more, errors] of cases)
    it(what, () => assert.deepEqual(texts(validateNodeUpdate(node({}, more), node({}, more))), errors));
});
