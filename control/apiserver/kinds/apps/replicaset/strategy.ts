/** What is special to ReplicaSets. Source: upstream `pkg/registry/apps/replicaset/strategy.go`, `pkg/apis/apps/v1/defaults.go`. */
import { nextInt64 } from '#api/int64.ts';
import type { ReplicaSet, ReplicaSetSpec } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { validateReplicaSet, validateReplicaSetStatusUpdate, validateReplicaSetUpdate } from '../../../validation/workloads.ts';
import { setTemplateDefaults, workloadWarnings } from '../../core/pod/template.ts';
import { replicaSetTable } from '../../table/workloads.ts';

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  setDefaults(set) {
    set.spec ??= {} as ReplicaSetSpec;
    const { spec } = set;
    spec.replicas ??= 1;
    spec.template ??= {};
    setTemplateDefaults(spec.template);
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 };
    set.metadata.generation = 1;
  },
  prepareForUpdate(set, old, _context, subresource) {
    if (subresource === 'status') {
      set.spec = old.spec;
      return;
    }
    set.status = old.status;
    const generation = old.metadata.generation ?? 0;
    set.metadata.generation = semanticEqual(set.spec, old.spec) ? generation : nextInt64(generation);
  },
  validate: validateReplicaSet,
  validateUpdate: (set, old, subresource) =>
    subresource === 'status' ? validateReplicaSetStatusUpdate(set, old) : validateReplicaSetUpdate(set, old),
  warnings: (set, old) => workloadWarnings(set, set.spec.template, old),
  selectableFields: ['status.replicas'],
  fields: (set) => ({ 'status.replicas': String(set.status?.replicas ?? 0) }),
  table: replicaSetTable,
};
