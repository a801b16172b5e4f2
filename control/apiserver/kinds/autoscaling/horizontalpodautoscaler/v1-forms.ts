/**
 * What autoscaling/v1 has no field for, as the annotations of its objects hold it: metrics and conditions in types of v1, the behavior in
 * the internal type, whose fields have no JSON names of their own.
 *
 * Source: upstream `staging/src/k8s.io/api/autoscaling/v1/types.go`, `pkg/apis/autoscaling/{annotations,types}.go`.
 */
import { type Form, type FormField, field } from './go-json-form.ts';

/** The annotations that only conversion writes. */
export const roundTrip = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
  scaleDownTolerance: 'autoscaling.alpha.kubernetes.io/scale-down-tolerance',
  scaleUpTolerance: 'autoscaling.alpha.kubernetes.io/scale-up-tolerance',
} as const;

const struct = (...fields: FormField[]): Form => ({ fields });

const selector = struct(
  field('matchLabels', 'labels', 'omit'),
  field(
    'matchExpressions',
    { list: struct(field('key', 'string'), field('operator', 'string'), field('values', { list: 'string' }, 'omit')) },
    'omit',
  ),
);
const reference = struct(field('kind', 'string'), field('name', 'string'), field('apiVersion', 'string', 'omit'));

const objectMetric = (value: string): Form =>
  struct(
    field('target', reference),
    field('metricName', 'string'),
    field(value, 'quantity'),
    field('selector', selector, 'pointer'),
    field('averageValue', 'quantity', 'pointer'),
  );

const podsMetric = (value: string): Form =>
  struct(field('metricName', 'string'), field(value, 'quantity'), field('selector', selector, 'pointer'));

const resourceMetric = (kind: 'target' | 'current', ...more: FormField[]): Form =>
  struct(
    field('name', 'string'),
    field(`${kind}AverageUtilization`, 'int32', 'pointer'),
    field(`${kind}AverageValue`, 'quantity', kind === 'target' ? 'pointer' : 'zero'),
    ...more,
  );

const externalMetric = (kind: 'target' | 'current'): Form =>
  struct(
    field('metricName', 'string'),
    field('metricSelector', selector, 'pointer'),
    field(`${kind}Value`, 'quantity', kind === 'target' ? 'pointer' : 'zero'),
    field(`${kind}AverageValue`, 'quantity', 'pointer'),
  );

const metrics = (kind: 'target' | 'current'): Form => ({
  list: struct(
    field('type', 'string'),
    field('object', objectMetric(`${kind}Value`), 'pointer'),
    field('pods', podsMetric(`${kind}AverageValue`), 'pointer'),
    field('resource', resourceMetric(kind), 'pointer'),
    field('containerResource', resourceMetric(kind, field('container', 'string')), 'pointer'),
    field('external', externalMetric(kind), 'pointer'),
  ),
});

/** `[]MetricSpec` of v1. */
export const metricSpecs = metrics('target');
/** `[]MetricStatus` of v1. */
export const metricStatuses = metrics('current');

/** `[]HorizontalPodAutoscalerCondition` of v1. */
export const conditions: Form = {
  list: struct(
    field('type', 'string'),
    field('status', 'string'),
    field('lastTransitionTime', 'time'),
    field('reason', 'string', 'omit'),
    field('message', 'string', 'omit'),
  ),
};

/** A field of an internal type: its key is Go's name. */
const internal = (name: string, form: Form, absent: FormField['absent'] = 'zero'): FormField => ({
  name,
  key: name.charAt(0).toUpperCase() + name.slice(1),
  form,
  absent,
});

const rules = struct(
  internal('stabilizationWindowSeconds', 'int32', 'null'),
  internal('selectPolicy', 'string', 'null'),
  internal('policies', {
    list: struct(internal('type', 'string'), internal('value', 'int32'), internal('periodSeconds', 'int32')),
  }),
  internal('tolerance', 'quantity', 'null'),
);

/** The internal `HorizontalPodAutoscalerBehavior`. */
export const behaviorForm = struct(internal('scaleUp', rules, 'null'), internal('scaleDown', rules, 'null'));
