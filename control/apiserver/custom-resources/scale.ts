/** `/scale` of custom resources, whose definition says where the numbers stand. Source: apiextensions-apiserver `pkg/registry/customresource/etcd.go`. */
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { badRequest, internalError } from '#api/status.ts';
import type { CustomResourceSubresourceScale } from '#api/types.generated.ts';
import { scaleOfParts } from '../kinds/scale.ts';
import type { ServedSubresource } from '../rest/exchange.ts';
import { integerAt, textAt, withValueAt } from './replicas-path.ts';

/** @returns the subresource */
export function customScale({
  specReplicasPath,
  statusReplicasPath,
  labelSelectorPath = '',
}: CustomResourceSubresourceScale): ServedSubresource {
  return scaleOfParts({
    read(object) {
      const fields = object as unknown as JsonObject;
      return {
        desired: found(integerAt(fields, specReplicasPath)),
        actual: found(integerAt(fields, statusReplicasPath)) ?? 0,
        selector: labelSelectorPath === '' ? '' : (found(textAt(fields, labelSelectorPath)) ?? ''),
      };
    },
    write: (object, replicas) =>
      withValueAt(object as unknown as JsonObject, specReplicasPath, replicas) as unknown as KubeObject,
    missing: () => internalError(`the spec replicas field ${JSON.stringify(specReplicasPath)} does not exist`),
  });
}

function found<T>({ value, wrong }: { value: T | undefined; wrong?: string }): T | undefined {
  if (wrong !== undefined) throw badRequest(wrong);
  return value;
}
