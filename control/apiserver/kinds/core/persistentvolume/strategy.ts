/** PersistentVolumes. Source: upstream `pkg/registry/core/persistentvolume/strategy.go`, `pkg/apis/core/v1/defaults.go`. */
import { rfc3339 } from '#api/meta.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { setLegacyVolumeDefaults } from '../pod/defaults.ts';
import { roundUpQuantities } from '../pod/resources.ts';
import { persistentVolumeColumns } from './columns.ts';
import { validateVolume, validateVolumeUpdate } from './validation.ts';
import { volumeWarnings } from './warnings.ts';

/** Has `/status`. The source of a volume cannot change; `status.lastPhaseTransitionTime` is the server's. */
export const persistentVolumeKind = defineKind({
  resource: 'persistentvolumes',
  cluster: true,
  names: nameIsDnsSubdomain,
  checkedAgain: 'first',
  defaults(object) {
    object.spec ??= {};
    object.spec.persistentVolumeReclaimPolicy ||= 'Retain';
    object.spec.volumeMode ??= 'Filesystem';
    if (object.spec.hostPath !== undefined) object.spec.hostPath.type ??= '';
    setLegacyVolumeDefaults(object.spec);
    roundUpQuantities(object.spec.capacity);
    object.status ??= {};
    object.status.phase ||= 'Pending';
  },
  status: {
    prepare({ status = {} }, { status: old = {} }, { clock }) {
      const { lastPhaseTransitionTime: before } = old;
      if ((status.phase ?? '') === (old.phase ?? '')) {
        if (status.lastPhaseTransitionTime === undefined && before !== undefined) status.lastPhaseTransitionTime = before;
      } else if (status.lastPhaseTransitionTime === undefined || status.lastPhaseTransitionTime === before) {
        status.lastPhaseTransitionTime = rfc3339(clock.now());
      }
    },
  },
  prepare(object, old, { clock }) {
    if (old === undefined) object.status = { phase: 'Pending', lastPhaseTransitionTime: rfc3339(clock.now()) };
  },
  validate: validateVolume,
  validateUpdate: validateVolumeUpdate,
  warnings: volumeWarnings,
  columns: persistentVolumeColumns,
});
