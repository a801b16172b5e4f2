/**
 * HorizontalPodAutoscalers, in two versions. Objects are stored as v2. v1 is a view: each step of its strategy converts the
 * object to v2, runs the step of v2, and converts back.
 *
 * Source: upstream `pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go`, `pkg/apis/autoscaling/v1/defaults.go`.
 */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { HorizontalPodAutoscaler as V1 } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { type BuiltInKind, defineKind } from '../../define-kind.ts';
import { autoscalerColumns } from './columns.ts';
import { autoscalerConversion, toV1, toV2 } from './conversion.ts';
import { setAutoscalerDefaults } from './defaults.ts';
import { validateAutoscaler, validateAutoscalerStatus } from './validation.ts';

/** autoscaling/v2, the form in which autoscalers are stored. Has `/status`. */
export const autoscalerKind = defineKind({
  resource: 'horizontalpodautoscalers.autoscaling',
  names: nameIsDnsSubdomain,
  defaults: setAutoscalerDefaults,
  status: { initial: () => ({ desiredReplicas: 0, currentMetrics: [] }), validate: validateAutoscalerStatus },
  validate: validateAutoscaler,
  columns: autoscalerColumns,
});

const { strategy: v2 } = autoscalerKind;

/**
 * Replaces the content of `object` by that of `next`, in place. `metadata` stays the same JavaScript object, because the registry
 * holds a reference to it.
 */
function become(object: V1, next: V1): void {
  const { metadata, ...rest } = next;
  Object.assign(object, rest);
  for (const key of Object.keys(object.metadata)) if (!Object.hasOwn(metadata, key)) delete object.metadata[key as 'labels'];
  Object.assign(object.metadata, metadata);
}

const viewStrategy: Strategy<V1> = {
  setDefaults(object) {
    object.spec ??= {} as V1['spec'];
    object.spec.minReplicas ??= 1;
    // Converting to v2 and back sets the default CPU target, and writes the annotations in the server's form.
    become(object, toV1(toV2(object)));
  },
  prepareForCreate(object, context) {
    const whole = toV2(object);
    v2.prepareForCreate?.(whole, context);
    become(object, toV1(whole));
  },
  prepareForUpdate(object, old, context, subresource) {
    const whole = toV2(object);
    v2.prepareForUpdate?.(whole, toV2(old), context, subresource);
    become(object, toV1(whole));
  },
  validate: (object) => v2.validate(toV2(object)),
  validateUpdate: (object, old, subresource) => v2.validateUpdate?.(toV2(object), toV2(old), subresource) ?? [],
  table: {
    columns: autoscalerColumns.columns,
    cells: (object, nowMs) => autoscalerColumns.cells(toV2(object), nowMs),
  },
};

/** autoscaling/v1: the same stored objects, converted on each read and write. */
export const autoscalerV1Kind: BuiltInKind<V1> = {
  id: 'horizontalpodautoscalers.v1.autoscaling',
  strategy: viewStrategy,
  subresources: autoscalerKind.subresources,
  conversion: autoscalerConversion,
};
