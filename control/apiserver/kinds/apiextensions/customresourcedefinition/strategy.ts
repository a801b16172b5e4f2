/**
 * CustomResourceDefinitions. What they describe is served by `custom-resources/`.
 *
 * Source: apiextensions-apiserver `pkg/registry/customresourcedefinition`.
 */

import { rfc3339 } from '#api/meta.ts';
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import type { DeletionStep } from '../../../registry/strategy.ts';
import { defineKind } from '../../define-kind.ts';
import { cleanupFinalizer, withCondition } from './conditions.ts';
import { keepStorageVersion, setDefaults } from './defaults.ts';
import { formatWarnings } from './unrecognized-formats.ts';
import { checkDefinition, validateStatus } from './validation.ts';

/** A write of `/status` may change metadata, too: the finalizer is removed so. */
export const customResourceDefinitionKind = defineKind({
  resource: 'customresourcedefinitions.apiextensions.k8s.io',
  cluster: true,
  anyFinalizer: true,
  allowUnconditionalUpdate: false,
  defaults: setDefaults,
  status: { initial: () => ({}), validate: validateStatus },
  generation: 'spec',
  prepare: (definition) => keepStorageVersion(definition, true),
  checks: checkDefinition,
  warnings: formatWarnings,
  planDeletion: markForDeletion,
});

/** The first request only marks it: its objects go before it, whatever finalizers the client has set. */
function markForDeletion(definition: CustomResourceDefinition, _options: unknown, nowMs: number): DeletionStep | undefined {
  if (definition.metadata.deletionTimestamp !== undefined) return undefined;
  const { finalizers = [] } = definition.metadata;
  const marked = withCondition(
    definition,
    {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    },
    nowMs,
  );
  const metadata = {
    ...definition.metadata,
    deletionTimestamp: rfc3339(nowMs),
    finalizers: finalizers.includes(cleanupFinalizer) ? finalizers : [...finalizers, cleanupFinalizer],
  };
  return { kind: 'mark', object: { ...marked, metadata }, thenRemove: false };
}
