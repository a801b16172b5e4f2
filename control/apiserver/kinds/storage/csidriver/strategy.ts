/** CSIDrivers. Source: upstream `pkg/registry/storage/csidriver/strategy.go`, `pkg/apis/storage/v1/defaults.go`. */
import { nextInt64 } from '#api/int64.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { defineKind } from '../../define-kind.ts';
import { csiDriverColumns } from './columns.ts';
import { validateDriver, validateDriverUpdate } from './validation.ts';

const tokensInSecrets =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes';

/** The requirements of a CSI driver. PUT must name the resourceVersion that it replaces. */
export const csiDriverKind = defineKind({
  resource: 'csidrivers.storage.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  allowUnconditionalUpdate: false,
  defaults(object) {
    object.spec ??= {};
    const { spec } = object;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  prepare(object, old) {
    // VolumeLimitScaling is alpha and disabled.
    if (old?.spec.preventPodSchedulingIfMissing === undefined) delete object.spec.preventPodSchedulingIfMissing;
    // As in upstream, a new driver has no generation; the first change sets 1.
    if (old !== undefined && !semanticEqual(object.spec, old.spec))
      object.metadata.generation = nextInt64(old.metadata.generation ?? 0);
  },
  validate: validateDriver,
  validateUpdate: validateDriverUpdate,
  warnings({ spec }, old) {
    const { tokenRequests = [], serviceAccountTokenInSecrets } = spec;
    if (tokenRequests.length === 0 || serviceAccountTokenInSecrets !== undefined) return [];
    return old !== undefined && semanticEqual(tokenRequests, old.spec.tokenRequests) ? [] : [tokensInSecrets];
  },
  columns: csiDriverColumns,
});
