/** Columns of APIServices. Source: kube-aggregator `pkg/registry/apiservice/etcd/etcd.go` (ConvertToTable). */
import type { APIService } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';
import { availableCondition } from './conditions.ts';

/** Who answers, and whether that is available. */
export const apiServiceColumns: TableColumns<APIService> = {
  columns: [
    nameColumn,
    column('Service', 'Which service answers; Local: this API server.'),
    column('Available', 'Whether requests can be passed on to it.'),
    ageColumn,
  ],
  cells(object, nowMs) {
    const { service } = object.spec;
    const where = service === undefined ? 'Local' : `${service.namespace ?? ''}/${service.name ?? ''}`;
    return [object.metadata.name, where, availability(object), ageOf(object, nowMs)];
  },
};

function availability(object: APIService): string {
  const { status = 'Unknown', reason = '' } = availableCondition(object) ?? {};
  return status === 'True' || reason === '' ? status : `${status} (${reason})`;
}
