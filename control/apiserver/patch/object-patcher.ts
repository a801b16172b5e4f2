/** All patch types and managedFields behind one interface, {@link ObjectPatcher}. */

import type { JsonObject } from '#api/json.ts';
import { applyJsonPatch, applyMergePatch } from './json-patch.ts';
import { applyConfiguration, trackUpdate } from './managed-fields.ts';
import type { ObjectPatcher } from './patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

/** Makes the patcher. It is pure and keeps nothing between calls. */
export function createObjectPatcher(): ObjectPatcher {
  return {
    patchObject({ contentType, patch, current, typeName }) {
      const object = current as unknown as JsonObject;
      switch (contentType) {
        case 'application/json-patch+json':
          return applyJsonPatch(object, patch);
        case 'application/merge-patch+json':
          return applyMergePatch(object, patch);
        case 'application/strategic-merge-patch+json':
          return applyStrategicMergePatch(object, patch, typeName);
      }
    },
    applyServerSide: applyConfiguration,
    trackManagedFields: trackUpdate,
  };
}
