import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RuntimeClass } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { runtimeClassKind } from './strategy.ts';

const { strategy } = runtimeClassKind;
const runtimeClass = (more: Partial<RuntimeClass> = {}): RuntimeClass => ({
  apiVersion: 'node.k8s.io/v1',
  kind: 'RuntimeClass',
  metadata: systemMeta('kata'),
  handler: 'kata',
  ...more,
});
const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

describe('runtime classes', () => {
  const refused: [what: string, RuntimeClass, errors: string[]][] = [
    ['no handler', runtimeClass({ handler: '' }), ['handler: Required value']],
    ['a handler that is no label', runtimeClass({ handler: 'a/b' }), [`handler: Invalid value: "a/b": ${label}`]],
    [
      'an overhead below zero',
      runtimeClass({ overhead: { podFixed: { cpu: '-1' } } }),
      ['overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ],
    [
      'a toleration twice',
      runtimeClass({
        scheduling: {
          tolerations: [
            { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 1 },
            { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 2 },
          ],
        },
      }),
      ['scheduling.tolerations[1]: Duplicate value: {"key":"a","operator":"Exists","effect":"NoExecute","tolerationSeconds":2}'],
    ],
  ];
  for (const [what, object, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, object, ...errors);
    });

  it('keep their handler', async () => {
    const old = (await create(strategy, runtimeClass())).object;
    const { errors } = await update(strategy, old, (object) => {
      object.handler = 'runc';
    });
    assert.deepEqual(errors, ['handler: Invalid value: "runc": field is immutable']);
  });

  it('warn of node labels that go out of use', () => {
    const selector = { 'beta.kubernetes.io/os': 'linux' };
    assert.deepEqual(strategy.warnings?.(runtimeClass({ scheduling: { nodeSelector: selector } }), undefined), [
      'scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/os" instead',
    ]);
  });
});
