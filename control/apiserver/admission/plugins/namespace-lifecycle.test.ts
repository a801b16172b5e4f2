import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Asked, ask, objectOf } from '../admission.testing.ts';
import type { Operation } from '../plugin.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';

const stored = {
  'namespaces//living': objectOf('Namespace', 'living', undefined, { status: { phase: 'Active' } }),
  'namespaces//going': objectOf('Namespace', 'going', undefined, { status: { phase: 'Terminating' } }),
};
const inNamespace = (namespace: string) => objectOf('ConfigMap', 'm', namespace);
const review = {
  resource: { group: 'authorization.k8s.io', version: 'v1', plural: 'localsubjectaccessreviews' },
  kind: 'LocalSubjectAccessReview',
};
const going = 'unable to create new content in namespace going because it is being terminated';

describe('NamespaceLifecycle', () => {
  const cases: [what: string, Operation, Asked, refusal?: string][] = [
    ['creates in a namespace that lives', 'create', { object: inNamespace('living') }],
    ['creates in one that goes', 'create', { object: inNamespace('going') }, `403 configmaps "m" is forbidden: ${going}`],
    ['creates in one that is not there', 'create', { object: inNamespace('none') }, '404 namespaces "none" not found'],
    ['updates in one that goes', 'update', { object: inNamespace('going'), old: inNamespace('going') }],
    [
      'updates in one that is not there',
      'update',
      { object: inNamespace('none'), old: inNamespace('none') },
      '404 namespaces "none" not found',
    ],
    ['deletes in one that goes', 'delete', { old: inNamespace('going') }],
    [
      'subresources in one that goes',
      'create',
      { object: objectOf('Pod', 'p', 'going'), subresource: 'eviction', told: { kind: 'Eviction' } },
      `403 pods "p" is forbidden: ${going}`,
    ],
    ['questions about one that goes', 'create', { object: inNamespace('going'), told: review }],
    ['cluster-scoped objects', 'create', { object: objectOf('Node', 'n') }],
    ['new namespaces', 'create', { object: objectOf('Namespace', 'new') }],
    ['deletes of namespaces', 'delete', { old: objectOf('Namespace', 'living') }],
    ...['default', 'kube-system', 'kube-public'].map((name): (typeof cases)[number] => [
      `deletes of ${name}`,
      'delete',
      { old: objectOf('Namespace', name) },
      `403 namespaces "${name}" is forbidden: this namespace may not be deleted`,
    ]),
    ['connects', 'connect', { old: objectOf('Pod', 'p', 'going') }],
  ];
  for (const [what, operation, asked, refusal] of cases) {
    it(`${refusal === undefined ? 'lets through' : 'refuses'} ${what}`, async () => {
      const found = await ask(namespaceLifecycle(), operation, { ...asked, stored });
      assert.deepEqual(found, refusal ?? asked.object);
    });
  }

  it('names an object that has no name yet by the beginning of it', async () => {
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'going', generateName: 'web-' } };
    assert.equal(
      await ask(namespaceLifecycle(), 'create', { object: object as never, told: { name: '' }, stored }),
      `403 pods "web-" is forbidden: ${going}`,
    );
  });
});
