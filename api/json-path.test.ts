import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonPathError, parseJsonPath } from './json-path.ts';

const object = {
  metadata: { annotations: { 'a.b/c': 'slash' }, labels: { 'x.y': 'dot' } },
  spec: {
    replicas: 3,
    ports: [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
    ],
    isOn: false,
    none: null,
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Failed', status: 'False' },
    ],
  },
};

describe('paths of printer columns', () => {
  for (const [path, expected] of [
    ['.spec.replicas', 3],
    ['.spec.isOn', false],
    ['.spec.none', null],
    ['.spec.absent.deeper', undefined],
    ['.spec.ports[1].port', 443],
    ['.spec.ports[-1].name', 'https'],
    ['.spec.ports[9].name', undefined],
    ['.spec.ports[*].name', 'http'],
    [".metadata.annotations['a.b/c']", 'slash'],
    ['.metadata.labels.x\\.y', 'dot'],
    ['.status.conditions[?(@.type=="Ready")].status', 'True'],
    [".status.conditions[?(@.type=='Failed')].status", 'False'],
    ['.status.conditions[?(@.type != "Ready")].type', 'Failed'],
    ['.spec.ports[?(@.port > 100)].name', 'https'],
    ['.spec.ports[?(@.nothing)].name', undefined],
    ['.', object],
  ] as const)
    it(`${path} leads to ${JSON.stringify(expected)?.slice(0, 30)}`, () =>
      assert.deepEqual(parseJsonPath(path).first(object), expected));

  for (const path of ['.spec[', '.spec[]', '.spec[?(x)]', '.spec[?(@.a==)]', '..name', '.spec.[', 'spec]'])
    it(`${path} is refused`, () => assert.throws(() => parseJsonPath(path), JsonPathError));

  it('are read in time proportional to their length', () => {
    const deep = `.${Array.from({ length: 20_000 }, () => 'a').join('.')}`;
    assert.equal(parseJsonPath(deep).first(object), undefined);
    assert.throws(() => parseJsonPath(`.a[?(@.b=="${'\\"'.repeat(50_000)}`), JsonPathError);
  });
});
