import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseExact, stringifyExact } from '../int64.ts';
import type { JsonValue } from '../json.ts';
import { anyObject } from './arbitrary-object.testing.ts';
import { DecodeError, decodeJson, parseJson, parseJsonStrict, readTypeMeta, strictDecodingText } from './json.ts';
import { maxValues, memberValues, OversizeError, recordMemberValues } from './limits.ts';

const deployment = 'apps/v1.Deployment';
const pod = 'core/v1.Pod';
const decode = (value: JsonValue, typeName: string): unknown => decodeJson(JSON.stringify(value), typeName, 'Strict').object;

describe('decoding JSON objects', () => {
  const problems: [name: string, typeName: string, text: string, expected: string[]][] = [
    ['an unknown field', deployment, '{"spec":{"foo":1}}', ['unknown field "spec.foo"']],
    ['an unknown field at the top', deployment, '{"spek":{}}', ['unknown field "spek"']],
    ['a field in the wrong case', deployment, '{"spec":{"Replicas":1}}', ['unknown field "spec.Replicas"']],
    ['one in a list', pod, '{"spec":{"containers":[{},{"nam":"x"}]}}', ['unknown field "spec.containers[1].nam"']],
    ['a duplicate field', deployment, '{"spec":{"replicas":1,"replicas":2}}', ['duplicate field "spec.replicas"']],
    ['a duplicate key of a map', pod, '{"metadata":{"labels":{"a":"1","a":"2"}}}', ['duplicate field "metadata.labels.a"']],
    [
      'each problem once, in the order of the text',
      pod,
      '{"z":1,"y":1,"z":2,"metadata":{"x":1}}',
      ['unknown field "z"', 'unknown field "y"', 'unknown field "metadata.x"'],
    ],
    ['nothing inside of what is unknown', pod, '{"z":{"a":1,"a":2}}', ['unknown field "z"']],
    ['nothing in free-form parts', pod, '{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{},"f:a":{}}}]}}', []],
  ];
  for (const [name, typeName, text, expected] of problems) {
    it(`reports ${name}`, () => {
      assert.deepEqual(decodeJson(text, typeName, 'Strict').problems, expected);
      assert.deepEqual(decodeJson(text, typeName, 'Warn').problems, expected);
      assert.deepEqual(decodeJson(text, typeName, 'Ignore').problems, []);
    });
  }

  it('stops at a hundred problems', () => {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`x${index}`, 1])));
    assert.equal(decodeJson(text, pod, 'Strict').problems.length, 100);
  });

  it('counts the members of maps several times, and who set what apart from all else', () => {
    const map = (count: number, key: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`${key}${index}`, '']));
    const decoded = (data: object, fieldsV1: object): unknown =>
      decodeJson(JSON.stringify({ metadata: { managedFields: [{ fieldsV1 }] }, data }), 'core/v1.ConfigMap', 'Ignore');
    const most = Math.floor(maxValues / memberValues) - 10;
    decoded(map(most, 'k'), map(maxValues / recordMemberValues - 10, 'f:'));
    assert.throws(() => decoded(map(most + 20, 'k'), {}), OversizeError);
    assert.throws(() => decoded({}, map(maxValues / recordMemberValues + 100, 'f:')), OversizeError);
    assert.throws(() => parseJson(JSON.stringify({ data: map(most + 100, 'k') })), OversizeError);
    // Many small objects of unknown type are no maps.
    const small = Array.from({ length: 20_000 }, () => ({ name: '', value: '', c: '' }));
    assert.equal((parseJson(JSON.stringify(small)) as unknown[]).length, 20_000);
  });

  it('joins problems as upstream does', () => {
    assert.equal(
      strictDecodingText(['unknown field "a"', 'duplicate field "b"']),
      'strict decoding error: unknown field "a", duplicate field "b"',
    );
  });

  it('drops unknown fields with every validation', () => {
    for (const validation of ['Strict', 'Warn', 'Ignore'] as const) {
      const { object } = decodeJson('{"x":1,"data":{"a":"b"},"metadata":{"y":[{}]}}', 'core/v1.ConfigMap', validation);
      assert.deepEqual(object, { data: { a: 'b' }, metadata: {} });
    }
  });

  const wrong: [typeName: string, text: string, message: string][] = [
    [
      deployment,
      '{"spec":{"replicas":"3"}}',
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      '{"spec":{"replicas":1.0}}',
      'json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      '{"spec":{"replicas":2147483648}}',
      'json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      '{"spec":{"replicas":1e3}}',
      'json: cannot unmarshal number 1e3 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [deployment, '{"spec":[]}', 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [
      pod,
      '{"spec":{"containers":{}}}',
      'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      pod,
      '{"spec":{"containers":["x"]}}',
      'json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container',
    ],
    [
      pod,
      '{"spec":{"restartPolicy":true}}',
      'json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy',
    ],
    [
      pod,
      '{"metadata":{"labels":{"a":1}}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      pod,
      '{"metadata":{"labels":[]}}',
      'json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string',
    ],
    [
      pod,
      '{"spec":{"containers":[{"resources":{"limits":"x"}}]}}',
      'json: cannot unmarshal string into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList',
    ],
    [
      pod,
      '{"spec":{"activeDeadlineSeconds":9223372036854775808}}',
      'json: cannot unmarshal number 9223372036854775808 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64',
    ],
    [pod, '[]', 'json: cannot unmarshal array into Go value of type v1.Pod'],
    [
      pod,
      '{"metadata":{"creationTimestamp":"yesterday"}}',
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
    ],
    [
      pod,
      '{"metadata":{"creationTimestamp":1}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
    ],
    [
      'core/v1.Service',
      '{"spec":{"ports":[{"targetPort":{}}]}}',
      'json: cannot unmarshal object into Go struct field ServicePort.spec.ports.targetPort of type int32',
    ],
    ['core/v1.Secret', '{"data":{"a":"%"}}', 'illegal base64 data at input byte 0'],
    ['core/v1.Secret', '{"data":{"a":"YQ="}}', 'illegal base64 data at input byte 3'],
    ['core/v1.Secret', '{"data":{"a":"YQ"}}', 'illegal base64 data at input byte 0'],
    ['core/v1.Secret', '{"data":{"a":"YWJjYQ=x"}}', 'illegal base64 data at input byte 6'],
    [
      pod,
      '{"spec":{"containers":[{"resources":{"limits":{"cpu":"much"}}}]}}',
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ];
  for (const [typeName, text, message] of wrong) {
    it(`refuses ${text}`, () => assert.throws(() => decodeJson(text, typeName, 'Ignore'), new DecodeError(message)));
  }

  it('reports the first wrong value; an invalid quantity or time comes before it, and bad syntax before both', () => {
    const two = '{"spec":{"replicas":"a","paused":"b"}}';
    assert.throws(() => decodeJson(two, deployment, 'Strict'), /replicas of type int32/);
    const refused = '{"metadata":{"generation":"x","creationTimestamp":"y"}}';
    assert.throws(() => decodeJson(refused, deployment, 'Strict'), /parsing time "y"/);
    assert.throws(() => decodeJson(`${refused.slice(0, -1)},}`, deployment, 'Strict'), /json parse error: invalid character '}'/);
  });

  const normalised: [name: string, typeName: string, input: JsonValue, output: JsonValue][] = [
    ['null is absence', 'core/v1.ConfigMap', { data: null, metadata: { labels: null, name: null } }, { metadata: {} }],
    ['a null body is an empty object', 'core/v1.ConfigMap', null, { metadata: {} }],
    ['a null value of a map is a zero', 'core/v1.ConfigMap', { data: { a: null } }, { metadata: {}, data: { a: '' } }],
    [
      'plain zeros and empty lists are absence',
      'core/v1.ConfigMap',
      { metadata: { name: '', generation: 0, finalizers: [] }, data: {} },
      { metadata: {} },
    ],
    [
      'zeros of pointers stay',
      deployment,
      { metadata: {}, spec: { replicas: 0, selector: {} } },
      {
        metadata: {},
        spec: { replicas: 0, selector: {}, template: { metadata: {}, spec: { containers: [] } }, strategy: {} },
        status: {},
      },
    ],
    [
      'quantities are canonical',
      'core/v1.ResourceQuota',
      { spec: { hard: { cpu: 0.5, memory: '1024Mi', pods: '1e3' } } },
      {
        metadata: {},
        spec: { hard: { cpu: '500m', memory: '1Gi', pods: '1e3' } },
        status: {},
      },
    ],
    [
      'times are in UTC',
      'meta/v1.ObjectMeta',
      { creationTimestamp: '2026-01-01T01:00:00.5+01:00' },
      { creationTimestamp: '2026-01-01T00:00:00Z' },
    ],
    ['a port is a number or a name', 'core/v1.ServicePort', { port: 80, targetPort: 'http' }, { port: 80, targetPort: 'http' }],
  ];
  for (const [name, typeName, input, output] of normalised) {
    it(name, () => assert.deepEqual(decode(input, typeName), output));
  }

  it('the last of two equal fields counts; objects are merged', () => {
    const { object } = decodeJson(
      '{"metadata":{"name":"a","namespace":"n"},"metadata":{"name":"b"}}',
      'core/v1.ConfigMap',
      'Warn',
    );
    assert.deepEqual(object, { metadata: { name: 'b', namespace: 'n' } });
  });

  it('a key called __proto__ is a key', () => {
    const { object } = decodeJson('{"data":{"__proto__":"x"}}', 'core/v1.ConfigMap', 'Strict');
    assert.equal(JSON.stringify(object), '{"data":{"__proto__":"x"},"metadata":{}}');
  });

  it('reads bytes as UTF-8', () => {
    const { object } = decodeJson(Buffer.from('{"data":{"ä":"\\u00e4€"}}'), 'core/v1.ConfigMap', 'Strict');
    assert.deepEqual(object['data'], { ä: 'ä€' });
  });

  it('decodes its own output to the same object, without problems', () => {
    fc.assert(
      fc.property(anyObject, ([typeName, written]) => {
        const first = decodeJson(stringifyExact(written), typeName, 'Strict');
        assert.deepEqual(first.problems, []);
        assert.deepEqual(decodeJson(stringifyExact(first.object), typeName, 'Strict'), first);
        assert.deepEqual(decodeJson(stringifyExact(first.object), typeName, 'Ignore'), first);
      }),
      { numRuns: 300 },
    );
  });
});

describe('malformed JSON', () => {
  const texts: [text: string, message: string][] = [
    ['', 'unexpected end of JSON input'],
    ['{', 'unexpected end of JSON input'],
    ['{"a"', 'unexpected end of JSON input'],
    ['"abc', 'unexpected end of JSON input'],
    ['-', 'unexpected end of JSON input'],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{} {}', "invalid character '{' after top-level value"],
    ['nul', 'unexpected end of JSON input'],
    ['nulx', "invalid character 'x' in literal null (expecting 'l')"],
    ['tRue', "invalid character 'R' in literal true (expecting 'r')"],
    ['01', "invalid character '1' after top-level value"],
    ['-a', "invalid character 'a' in numeric literal"],
    ['1.a', "invalid character 'a' after decimal point in numeric literal"],
    ['1ex', "invalid character 'x' in exponent of numeric literal"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ['apiVersion: v1', "invalid character 'a' looking for beginning of value"],
    ['\ufeff{}', "invalid character 'ï' looking for beginning of value"],
    ['ä', "invalid character 'Ã' looking for beginning of value"],
  ];
  for (const [text, message] of texts) {
    it(`${JSON.stringify(text)}: ${message}`, () => {
      assert.throws(() => parseJson(text), new DecodeError(message));
      assert.throws(
        () => decodeJson(text, pod, 'Ignore'),
        new DecodeError(`couldn't get version/kind; json parse error: ${message}`),
      );
    });
  }

  it('too deep nesting is refused and does not crash', () => {
    for (const open of ['[', '{"a":']) {
      assert.throws(() => parseJson(open.repeat(100_000)), /exceeded max depth$/);
      assert.throws(() => decodeJson(`{"x":${open.repeat(100_000)}`, pod, 'Strict'), /exceeded max depth$/);
    }
  });

  it('accepts and refuses what JSON.parse does, with the same value', () => {
    const anyText = fc.oneof(
      fc.json(),
      fc.string({
        unit: fc.constantFrom(
          '{',
          '}',
          '[',
          ']',
          '"',
          ':',
          ',',
          '1',
          '0',
          '-',
          '.',
          'e',
          ' ',
          'null',
          'true',
          '\\',
          'u0041',
          '\\n',
        ),
      }),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        let expected: JsonValue;
        try {
          expected = parseExact(text) as JsonValue;
        } catch {
          assert.throws(() => parseJson(text), DecodeError);
          return;
        }
        assert.deepEqual(parseJson(text), expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('reports duplicate keys in any JSON', () => {
    const { value, problems } = parseJsonStrict('{"a":{"b":1,"b":2},"c":[{"d":1,"d":2}]}');
    assert.deepEqual(value, { a: { b: 2 }, c: [{ d: 2 }] });
    assert.deepEqual(problems, ['duplicate field "a.b"', 'duplicate field "c[0].d"']);
  });
});

describe('the type of a body', () => {
  const prefix = "couldn't get version/kind; json parse error:";

  it('is read from it', () => {
    assert.deepEqual(readTypeMeta('{"kind":"Pod","apiVersion":"v1","spec":1}'), { apiVersion: 'v1', kind: 'Pod' });
    assert.deepEqual(readTypeMeta('{}'), { apiVersion: '', kind: '' });
    assert.deepEqual(readTypeMeta('null'), { apiVersion: '', kind: '' });
  });

  const wrong: [text: string, message: string][] = [
    ['{', `${prefix} unexpected end of JSON input`],
    ['{"kind":1}', `${prefix} json: cannot unmarshal number into Go struct field .kind of type string`],
    [
      '[]',
      `${prefix} json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    ],
  ];
  for (const [text, message] of wrong)
    it(`refuses ${text}`, () => assert.throws(() => readTypeMeta(text), new DecodeError(message)));
});
