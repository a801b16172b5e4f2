import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigMap } from '#api/types.generated.ts';
import { configMapKind } from '../kinds/core/configmap/strategy.ts';
import { rejects, systemMeta, update } from '../kinds/strategy.testing.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

describe('metadata of every kind', () => {
  const map = (metadata: Partial<ConfigMap['metadata']>): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...systemMeta('m', 'ns'), ...metadata },
  });

  it("refuses bad names, labels and annotations in upstream's words", async () => {
    await rejects(
      configMapKind.strategy,
      map({ name: 'My_Map', labels: { 'a b': 'x' }, annotations: { '/': '' } }),
      `metadata.name: Invalid value: "My_Map": ${SUBDOMAIN}`,
      "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      'metadata.annotations: Invalid value: "/": prefix part must be non-empty',
      'metadata.annotations: Invalid value: "/": name part must be non-empty',
      "metadata.annotations: Invalid value: \"/\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    );
  });

  it('refuses too many bytes of annotations', async () => {
    await rejects(
      configMapKind.strategy,
      map({ annotations: { a: 'x'.repeat(262144) } }),
      'metadata.annotations: Too long: may not be more than 262144 bytes',
    );
  });

  it('refuses finalizers that nobody owns, two that exclude each other, and two controllers', async () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: '1', controller: true };
    const ownerReferences = [owner, { ...owner, name: 'b', uid: '2' }];
    await rejects(
      configMapKind.strategy,
      map({ finalizers: ['mine', 'orphan', 'foregroundDeletion'], ownerReferences }),
      `metadata.ownerReferences: Invalid value: ${JSON.stringify(ownerReferences)}: Only one reference can have Controller set to true. Found "true" in references for ReplicaSet/a and ReplicaSet/b`,
      'metadata.finalizers: Invalid value: ["mine","orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    );
  });

  it('refuses new finalizers on what is being deleted', async () => {
    const old = map({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a.b/c'] });
    const { errors } = await update(configMapKind.strategy, old, ({ metadata }) => metadata.finalizers?.push('a.b/d'));
    assert.deepEqual(errors, [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.b/d"}',
    ]);
  });
});
