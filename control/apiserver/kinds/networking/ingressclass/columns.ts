/** Columns of IngressClasses. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { IngressClass } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn } from '../../columns.ts';
import { isDefaultIngressClass } from './default-class.ts';

/** The table of IngressClasses: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const ingressClassColumns: TableColumns<IngressClass> = {
  columns: [
    nameColumn,
    column('Controller', 'Who serves Ingresses of this class.'),
    column('Parameters', "The object with the controller's further settings."),
    ageColumn,
  ],
  cells: (object, nowMs) => [
    isDefaultIngressClass(object) ? `${object.metadata.name} (default)` : object.metadata.name,
    object.spec.controller ?? '',
    parametersText(object),
    ageOf(object, nowMs),
  ],
};

/** `Config.example.com/small` */
function parametersText({ spec: { parameters } }: IngressClass): string {
  if (parameters === undefined) return '<none>';
  const { apiGroup, kind, name } = parameters;
  return `${kind}${apiGroup === undefined ? '' : `.${apiGroup}`}/${name}`;
}
