/**
 * Tells the client to which FlowSchema and priority level its request belongs.
 *
 * Source: apiserver `pkg/server/filters/priority-and-fairness.go` (setResponseHeaders); k8s.io/api `flowcontrol/v1` (the names).
 */
import type { FlowSchemas } from '../flowcontrol/flow-schemas.ts';
import type { Filter } from './filter-chain.ts';
import { isLongRunning } from './inflight.ts';

/** Finds the FlowSchema and priority level of the request, by the impersonated user if there is one. As upstream, before authorization. */
export function classification(schemas: FlowSchemas): Filter {
  return async function classification(exchange, next) {
    const { info, user } = exchange;
    // Streams are not subject to flow control; watches are, while they begin.
    if (info.verb === 'watch' || !isLongRunning(info)) exchange.flow = schemas.classify(info, user);
    return await next();
  };
}

/** Sets the X-Kubernetes-PF-… headers on every response, errors included. */
export const flowHeaders: Filter = async function flowHeaders(exchange, next) {
  const response = await next();
  if (exchange.flow === undefined) return response;
  const { schema, level } = exchange.flow;
  response.headers['x-kubernetes-pf-flowschema-uid'] = schema.metadata.uid;
  response.headers['x-kubernetes-pf-prioritylevel-uid'] = level.metadata.uid;
  return response;
};
