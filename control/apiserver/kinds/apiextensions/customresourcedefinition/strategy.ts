/**
 * CustomResourceDefinitions can be asked for, and none can be made (`api/resources.ts`).
 *
 * Source: upstream `staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition`.
 */
import { column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';

/** Only discovery and lists (always empty) use it: `validate` is never reached, because the row has no create verb. */
export const customResourceDefinitionKind = defineKind({
  resource: 'customresourcedefinitions.apiextensions.k8s.io',
  cluster: true,
  validate() {
    throw new Error('no CustomResourceDefinition can be written: its resource has verbs to read only');
  },
  columns: {
    columns: [nameColumn, column('Created At', 'When the server created the object.')],
    cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? ''],
  },
});
