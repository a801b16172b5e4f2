/** The condition `Available` of an APIService. Source: kube-aggregator `pkg/apis/apiregistration/v1/helper/helpers.go`. */
import { rfc3339 } from '#api/meta.ts';
import type { APIService, APIServiceCondition } from '#api/types.generated.ts';

/** What is known of an APIService's availability. */
export type Availability = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;

/** The condition of an APIService that this server answers itself. */
export const localAvailability: Availability = {
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
};

/** The condition `Available`; undefined where nobody has looked yet. */
export const availableCondition = ({ status }: APIService): APIServiceCondition | undefined =>
  status?.conditions?.find(({ type }) => type === 'Available');

/** Whether requests may be passed on. */
export const isAvailable = (service: APIService): boolean => availableCondition(service)?.status === 'True';

/** All conditions with this one set. Its time changes with its status alone. Pure. @param nowMs milliseconds since the epoch */
export function withAvailability(service: APIService, found: Availability, nowMs: number): APIServiceCondition[] {
  const before = availableCondition(service);
  const since = before?.status === found.status ? before.lastTransitionTime : rfc3339(nowMs);
  const condition = { type: 'Available', ...found, lastTransitionTime: since };
  const conditions = service.status?.conditions ?? [];
  return before === undefined ? [...conditions, condition] : conditions.map((one) => (one === before ? condition : one));
}
