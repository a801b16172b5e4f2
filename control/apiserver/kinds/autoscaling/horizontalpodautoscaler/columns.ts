/** Columns of HorizontalPodAutoscalers. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { Quantity } from '#api/json.ts';
import { canonicalQuantity } from '#api/quantity.ts';
import type {
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  AutoscalingV2HorizontalPodAutoscaler as V2,
} from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';

const maxMetrics = 2;
const unknown = '<unknown>';

/**
 * The table of HorizontalPodAutoscalers: its columns, and the row of one object at a given time (milliseconds since the epoch).
 */
export const autoscalerColumns: TableColumns<V2> = {
  columns: [
    nameColumn,
    column('Reference', 'What is scaled.'),
    column('Targets', 'Each metric: what it is now, and what it should be.'),
    column('MinPods', 'The least number of pods.'),
    column('MaxPods', 'The largest number of pods.'),
    column('Replicas', 'The number of pods that there are.'),
    ageColumn,
  ],
  cells: ({ metadata, spec, status }, nowMs) => [
    metadata.name,
    `${spec.scaleTargetRef?.kind ?? ''}/${spec.scaleTargetRef?.name ?? ''}`,
    metricsText(spec.metrics ?? [], status?.currentMetrics ?? []),
    spec.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
    spec.maxReplicas ?? 0,
    status?.currentReplicas ?? 0,
    ageOf({ metadata }, nowMs),
  ],
};

/** `cpu: 12%/80%, <unknown>/10 + 1 more...` */
function metricsText(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (specs.length === 0) return '<none>';
  const texts = specs.slice(0, maxMetrics).map((spec, index) => metricText(spec, statuses[index]));
  const more = specs.length - maxMetrics;
  return more > 0 ? `${texts.join(', ')} + ${more} more...` : texts.join(', ');
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'External':
      return valueText(spec.external?.target, status?.external?.current);
    case 'Object':
      return valueText(spec.object?.target, status?.object?.current);
    case 'Pods':
      return `${currentText(status?.pods?.current, 'averageValue')}/${quantityText(spec.pods?.target?.averageValue)}`;
    case 'Resource':
      return `${spec.resource?.name ?? ''}: ${usageText(spec.resource?.target, status?.resource?.current)}`;
    case 'ContainerResource':
      return `${spec.containerResource?.name ?? ''}: ${usageText(spec.containerResource?.target, status?.containerResource?.current)}`;
    default:
      return '<unknown type>';
  }
}

/** A metric with an average value or a whole value: `10/20`. */
function valueText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue === undefined) return `${currentText(current, 'value')}/${quantityText(target?.value)}`;
  const average = current?.averageValue === undefined ? unknown : quantityText(current.averageValue);
  return `${average}/${quantityText(target.averageValue)} (avg)`;
}

/** A resource metric: an amount, or a percentage of what the pods request. */
function usageText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue !== undefined) return `${currentText(current, 'averageValue')}/${quantityText(target.averageValue)}`;
  const percent = (share: number | undefined, absent: string): string => (share === undefined ? absent : `${share}%`);
  return `${percent(current?.averageUtilization, unknown)}/${percent(target?.averageUtilization, '<auto>')}`;
}

const currentText = (current: MetricValueStatus | undefined, value: 'value' | 'averageValue'): string =>
  current === undefined ? unknown : quantityText(current[value]);

/** Go prints `<nil>` for an absent quantity. */
const quantityText = (value: Quantity | undefined): string => (value === undefined ? '<nil>' : canonicalQuantity(value));
