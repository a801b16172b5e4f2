/**
 * What is special to CustomResourceDefinitions: they can be asked for, and none can be made (`api/resources.ts`).
 *
 * Source: upstream `staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition`.
 */
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { column, nameColumn } from '../../table/columns.ts';

export const customResourceDefinitionStrategy: Strategy<CustomResourceDefinition> = {
  validate() {
    throw new Error('no CustomResourceDefinition can be written: its resource has verbs to read only');
  },
  table: {
    columns: [nameColumn, column('Created At', 'When the server created the object.')],
    cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? ''],
  },
};
