/** Label and field selectors of a request, as one test of an object. */
import type { Resource, ResourceId } from '#api/resources.ts';
import {
  exactField,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from '#api/selector.ts';
import { badRequest } from '#api/status.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { Strategy } from '../registry/strategy.ts';

export interface Predicate {
  /** Matches everything. */
  empty: boolean;
  matches(object: CachedObject): boolean;
  /** The one name that can match. */
  name: string | undefined;
}

export const everything: Predicate = { empty: true, matches: () => true, name: undefined };

const eventFields = (object: string, component: string): string[] => [
  ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => `${object}.${field}`),
  'reason',
  component,
  'type',
];

/** What fieldSelector may name besides metadata.name and metadata.namespace (kubernetes `pkg/apis/<group>/v1/conversion.go`). */
const selectableFields: Partial<Record<ResourceId, readonly string[]>> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  nodes: ['spec.unschedulable'],
  namespaces: ['status.phase', 'name'],
  secrets: ['type'],
  services: ['spec.clusterIP', 'spec.type'],
  'replicasets.apps': ['status.replicas'],
  events: [...eventFields('involvedObject', 'reportingComponent'), 'source'],
  'events.events.k8s.io': eventFields('regarding', 'reportingController'),
};

/** Kinds whose conversion functions word the error themselves. */
const saysUnsupported = new Set<ResourceId>([
  'pods',
  'nodes',
  'namespaces',
  'secrets',
  'services',
  'replicasets.apps',
  'events',
  'events.events.k8s.io',
]);

/** @throws ApiError 400 for a selector that does not parse or names a field that cannot be selected by */
export function parsePredicate(resource: Resource, strategy: Strategy, labelSelector: string, fieldSelector: string): Predicate {
  if (labelSelector === '' && fieldSelector === '') return everything;
  try {
    const labels = parseLabelSelector(labelSelector);
    const fields = parseFieldSelector(fieldSelector);
    for (const { field } of fields) checkField(resource, field);
    if (labels.requirements.length === 0 && fields.length === 0) return everything;
    return {
      empty: false,
      name: exactField(fields, 'metadata.name'),
      matches: (cached) =>
        matchesLabels(labels, cached.object.metadata.labels) &&
        (fields.length === 0 || matchesFields(fields, fieldsOf(strategy, cached))),
    };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

function checkField(resource: Resource, field: string): void {
  if (field === 'metadata.name' || field === 'metadata.namespace') return;
  if (selectableFields[resource.id]?.includes(field) === true) return;
  throw badRequest(
    saysUnsupported.has(resource.id)
      ? `field label not supported: ${field}`
      : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
  );
}

function fieldsOf(strategy: Strategy, cached: CachedObject): Record<string, string> {
  return cached.derived('fields', () => ({
    ...strategy.fields?.(cached.object),
    'metadata.name': cached.object.metadata.name,
    'metadata.namespace': cached.object.metadata.namespace ?? '',
  }));
}
