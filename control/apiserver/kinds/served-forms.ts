/**
 * The built-in kinds with several served versions, as plain functions. The decoding thread, which has no catalog, uses them to compute
 * managedFields. A kind adds one line here; its room has the conversion.
 */
import type { Conversion } from '../catalog.ts';
import { autoscalerConversion } from './autoscaling/horizontalpodautoscaler/conversion.ts';
import { eventsConversion } from './core/event/conversion.ts';

/** One served version of a kind. */
export interface ServedForm {
  /** For example `autoscaling/v1`. */
  apiVersion: string;
  /** The type's name in the schema facts. */
  typeName: string;
  /** Absent for the version in which objects are stored. */
  conversion?: Conversion;
}

/** The versions of each such kind, the stored one first. */
export const servedForms: readonly (readonly ServedForm[])[] = [
  [
    { apiVersion: 'autoscaling/v2', typeName: 'autoscaling/v2.HorizontalPodAutoscaler' },
    { apiVersion: 'autoscaling/v1', typeName: 'autoscaling/v1.HorizontalPodAutoscaler', conversion: autoscalerConversion },
  ],
  [
    { apiVersion: 'v1', typeName: 'core/v1.Event' },
    { apiVersion: 'events.k8s.io/v1', typeName: 'events/v1.Event', conversion: eventsConversion },
  ],
];
