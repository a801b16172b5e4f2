/**
 * One metric of a HorizontalPodAutoscaler between autoscaling/v2 and the types of v1, which stand in annotations.
 *
 * Source: upstream `pkg/apis/autoscaling/v1/conversion.go`.
 */
import type { JsonObject, Quantity } from '#api/json.ts';
import { compareQuantity } from '#api/quantity.ts';
import type {
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  ObjectMetricSource,
} from '#api/types.generated.ts';

type Part = JsonObject | undefined;

/** A quantity that is no pointer in Go's v1 type: absent means zero. */
const orZero = (value: Quantity | undefined): Quantity => value ?? '0';

const quantityOf = (part: JsonObject, name: string): Quantity | undefined => part[name] as Quantity | undefined;

/** The object without the fields that are undefined. */
const given = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;

const partOf = (metric: JsonObject, name: string): Part => metric[name] as Part;

const identifier = (part: JsonObject, selector: string): MetricIdentifier =>
  given({ name: String(part['metricName'] ?? ''), selector: part[selector] as MetricIdentifier['selector'] });

const describedObject = (part: JsonObject): ObjectMetricSource['describedObject'] => {
  const { kind = '', name = '', apiVersion } = (part['target'] ?? {}) as Record<string, string>;
  return given({ kind, name, apiVersion });
};

/** Converts a metric of the spec from v2 to v1. */
export function metricSpecToV1(metric: MetricSpec): JsonObject {
  const { object, pods, resource, containerResource, external } = metric;
  const resourceV1 = ({ name, target }: { name: string; target?: MetricTarget }): object => ({
    name,
    targetAverageUtilization: target?.averageUtilization,
    targetAverageValue: target?.averageValue,
  });
  return given({
    type: metric.type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric?.name,
      targetValue: orZero(object.target?.value),
      selector: object.metric?.selector,
      averageValue: object.target?.averageValue,
    },
    pods: pods && {
      metricName: pods.metric?.name,
      targetAverageValue: orZero(pods.target?.averageValue),
      selector: pods.metric?.selector,
    },
    resource: resource && resourceV1(resource),
    containerResource: containerResource && { ...resourceV1(containerResource), container: containerResource.container },
    external: external && {
      metricName: external.metric?.name,
      metricSelector: external.metric?.selector,
      targetValue: external.target?.value,
      targetAverageValue: external.target?.averageValue,
    },
  }) as unknown as JsonObject;
}

/** Converts a metric of the spec from v1 to v2. v1 has no target type: it follows from which value is set. */
export function metricSpecFromV1(metric: JsonObject): MetricSpec {
  const [object, pods] = [partOf(metric, 'object'), partOf(metric, 'pods')];
  const [resource, containerResource] = [partOf(metric, 'resource'), partOf(metric, 'containerResource')];
  const external = partOf(metric, 'external');
  return given({
    type: String(metric['type'] ?? ''),
    object: object && {
      describedObject: describedObject(object),
      metric: identifier(object, 'selector'),
      target: objectTarget(quantityOf(object, 'targetValue') ?? '0', quantityOf(object, 'averageValue')),
    },
    pods: pods && {
      metric: identifier(pods, 'selector'),
      target: { type: 'AverageValue', averageValue: orZero(quantityOf(pods, 'targetAverageValue')) },
    },
    resource: resource && { name: String(resource['name'] ?? ''), target: resourceTarget(resource) },
    containerResource: containerResource && {
      name: String(containerResource['name'] ?? ''),
      container: String(containerResource['container'] ?? ''),
      target: resourceTarget(containerResource),
    },
    external: external && {
      metric: identifier(external, 'metricSelector'),
      target: given({
        type: external['targetValue'] === undefined ? 'AverageValue' : 'Value',
        value: quantityOf(external, 'targetValue'),
        averageValue: quantityOf(external, 'targetAverageValue'),
      }),
    },
  });
}

/** The target of an object metric. In v1 `value` is always there; beside an average, zero means that there was no value. */
function objectTarget(value: Quantity, averageValue: Quantity | undefined): MetricTarget {
  if (averageValue === undefined) return { type: 'Value', value };
  return given({ type: 'AverageValue', value: compareQuantity(value, '0') === 0 ? undefined : value, averageValue });
}

function resourceTarget(part: JsonObject): MetricTarget {
  const averageUtilization = part['targetAverageUtilization'] as number | undefined;
  return given({
    type: averageUtilization === undefined ? 'AverageValue' : 'Utilization',
    averageValue: quantityOf(part, 'targetAverageValue'),
    averageUtilization,
  });
}

/** Converts a metric of the status from v2 to v1. */
export function metricStatusToV1(metric: MetricStatus): JsonObject {
  const { object, pods, resource, containerResource, external } = metric;
  const resourceV1 = ({ name, current = {} }: { name: string; current?: MetricValueStatus }): object => ({
    name,
    currentAverageUtilization: current.averageUtilization,
    currentAverageValue: orZero(current.averageValue),
  });
  return given({
    type: metric.type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric?.name,
      currentValue: orZero(object.current?.value),
      selector: object.metric?.selector,
      averageValue: object.current?.averageValue,
    },
    pods: pods && {
      metricName: pods.metric?.name,
      currentAverageValue: orZero(pods.current?.averageValue),
      selector: pods.metric?.selector,
    },
    resource: resource && resourceV1(resource),
    containerResource: containerResource && { ...resourceV1(containerResource), container: containerResource.container },
    external: external && {
      metricName: external.metric?.name,
      metricSelector: external.metric?.selector,
      currentValue: orZero(external.current?.value),
      currentAverageValue: external.current?.averageValue,
    },
  }) as unknown as JsonObject;
}

/** Converts a metric of the status from v1 to v2. */
export function metricStatusFromV1(metric: JsonObject): MetricStatus {
  const [object, pods] = [partOf(metric, 'object'), partOf(metric, 'pods')];
  const [resource, containerResource] = [partOf(metric, 'resource'), partOf(metric, 'containerResource')];
  const external = partOf(metric, 'external');
  const resourceCurrent = (part: JsonObject): MetricValueStatus =>
    given({
      averageValue: orZero(quantityOf(part, 'currentAverageValue')),
      averageUtilization: part['currentAverageUtilization'] as number | undefined,
    });
  return given({
    type: String(metric['type'] ?? ''),
    object: object && {
      describedObject: describedObject(object),
      metric: identifier(object, 'selector'),
      current: given({ value: orZero(quantityOf(object, 'currentValue')), averageValue: quantityOf(object, 'averageValue') }),
    },
    pods: pods && {
      metric: identifier(pods, 'selector'),
      current: { averageValue: orZero(quantityOf(pods, 'currentAverageValue')) },
    },
    resource: resource && { name: String(resource['name'] ?? ''), current: resourceCurrent(resource) },
    containerResource: containerResource && {
      name: String(containerResource['name'] ?? ''),
      container: String(containerResource['container'] ?? ''),
      current: resourceCurrent(containerResource),
    },
    external: external && {
      metric: identifier(external, 'metricSelector'),
      current: given({
        value: orZero(quantityOf(external, 'currentValue')),
        averageValue: quantityOf(external, 'currentAverageValue'),
      }),
    },
  });
}
