import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiVersionOf, type KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import { servedKinds } from './served-resources.testing.ts';
import { texts } from './strategy.testing.ts';

const kinds = servedKinds();

describe('the built-in kinds', () => {
  it('are those of the table, each once', () => {
    const rows = createResourceCatalog().all();
    assert.deepEqual(kinds.map(({ resource }) => resource.id).sort(), rows.map(({ id }) => id).sort());
  });

  for (const { resource, strategy, subresources = {} } of kinds) {
    const { id, group, version, kind, namespaced } = resource;
    if (resource.verbs.includes('create'))
      it(`${id} are in a namespace just where their row says so`, () => {
        const object = (namespace: object): KubeObject =>
          ({
            apiVersion: apiVersionOf(group, version),
            kind,
            metadata: { name: 'x', ...namespace },
            spec: {},
          }) as unknown as KubeObject;
        const wrong = object(namespaced ? {} : { namespace: 'ns' });
        strategy.setDefaults?.(wrong);
        const errors = texts(strategy.validate(wrong)).filter((text) => /^(metadata\.)?namespace: /.test(text));
        assert.equal(errors.length > 0, true);
      });

    it(`each subresource of ${id} has somebody who answers each verb of its row, and no other`, () => {
      assert.deepEqual(
        resource.subresources.map(({ name }) => name),
        Object.keys(subresources).sort(),
      );
      for (const { name, verbs } of resource.subresources) {
        const { handlers, connect } = subresources[name] ?? {};
        assert.equal((handlers === undefined) !== (connect === undefined), true, name);
        if (handlers !== undefined) assert.deepEqual(Object.keys(handlers).sort(), verbs);
      }
    });
  }
});
