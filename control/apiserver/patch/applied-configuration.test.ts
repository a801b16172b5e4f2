import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '#api/status.ts';
import { readConfiguration } from './applied-configuration.ts';

const type = { apiVersion: 'apps/v1', kind: 'Deployment', type: 'apps/v1.Deployment' };
const head = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, creationTimestamp: null}\n';
const containers = (list: string): string => `${head}spec: {template: {spec: {containers: ${list}}}}`;
const mistake = (text: string): string => {
  try {
    readConfiguration(Buffer.from(text), type, 'default');
    return '';
  } catch (error) {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status.code, error.status.reason], [500, '']);
    return error.message.replace('failed to create typed patch object (default/web; apps/v1, Kind=Deployment): ', '');
  }
};

describe('an applied configuration', () => {
  it('is taken as it stands, with nulls, and quantities and ports in either form', () => {
    const text = containers(
      '[{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}, livenessProbe: {httpGet: {port: http}}, ports: [{containerPort: 80}]}]',
    );
    const { configuration, problems } = readConfiguration(Buffer.from(text), type, 'default');
    assert.deepEqual(problems, []);
    assert.deepEqual(configuration['metadata'], { name: 'web', creationTimestamp: null });
  });

  for (const [what, text, message] of [
    [
      'an unknown field',
      containers('[{name: a, foo: 1}]'),
      '.spec.template.spec.containers[name="a"].foo: field not declared in schema',
    ],
    [
      'an element twice',
      containers('[{name: a}, {name: a}]'),
      '.spec.template.spec.containers: duplicate entries for key [name="a"]',
    ],
    [
      'an element without its key',
      containers('[{image: a}]'),
      '.spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
    ],
    ['a number as text', `${head}spec: {replicas: "3"}`, '.spec.replicas: expected numeric (int or float), got string'],
    ['a list for a map', `${head}spec: [1]`, '.spec: expected map, got &{[1]}'],
    ['a map for a list', containers('{a: b}'), '.spec.template.spec.containers: expected list, got &{map[a:b]}'],
    ['a text for a switch', `${head}spec: {paused: "no"}`, '.spec.paused: expected boolean, got &{no}'],
    [
      'a number in an atomic list',
      containers('[{name: a, args: [x, 1]}]'),
      '.spec.template.spec.containers[name="a"].args[1]: expected string, got &value.valueUnstructured{Value:1}',
    ],
  ] as const) {
    it(`is refused with ${what}`, () => assert.equal(mistake(text), message));
  }
});
