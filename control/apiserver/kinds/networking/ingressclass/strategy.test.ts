import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IngressClass, IngressClassSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { ingressClassKind } from './strategy.ts';

const { strategy } = ingressClassKind;
const ingressClass = (spec: IngressClassSpec): IngressClass => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: systemMeta('proxy'),
  spec,
});
const controller = 'example.com/proxy';
const parameters = { kind: 'Config', name: 'small' };

describe('ingress classes', () => {
  it("look for their parameters in the cluster's scope", async () => {
    const { object, errors } = await create(strategy, ingressClass({ controller, parameters }));
    assert.deepEqual([object.spec.parameters?.scope, object.metadata.generation, errors], ['Cluster', 1, []]);
  });

  const domain = 'must be a domain-prefixed path (such as "acme.io/foo")';
  const path = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
  const refused: [what: string, IngressClassSpec, errors: string[]][] = [
    ['no controller', {}, ['spec.controller: Required value']],
    ['a controller without a domain', { controller: 'proxy' }, [`spec.controller: Invalid value: "proxy": ${domain}`]],
    ['a controller with a strange path', { controller: 'a.b/c d' }, [`spec.controller: Invalid value: "c d": ${path}`]],
    [
      'a controller that is too long',
      { controller: `example.com/${'x'.repeat(250)}` },
      ['spec.controller: Too long: may not be more than 250 bytes'],
    ],
    [
      'parameters without kind and name',
      { controller, parameters: { kind: '', name: 'a/b' } },
      ['spec.parameters.kind: Required value', `spec.parameters.name: Invalid value: "a/b": may not contain '/'`],
    ],
    [
      'parameters of a namespace without its name',
      { controller, parameters: { ...parameters, scope: 'Namespace' } },
      ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    ],
    [
      'parameters of the cluster with a namespace',
      { controller, parameters: { ...parameters, namespace: 'ns' } },
      ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    ],
    [
      'an unknown scope',
      { controller, parameters: { ...parameters, scope: 'World' } },
      ['spec.parameters.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"'],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, ingressClass(spec), ...errors);
    });

  it('keep their controller', async () => {
    const { object: old } = await create(strategy, ingressClass({ controller }));
    const { errors } = await update(strategy, old, ({ spec }) => {
      spec.controller = 'example.com/other';
    });
    assert.deepEqual(errors, ['spec.controller: Invalid value: "example.com/other": field is immutable']);
  });
});
