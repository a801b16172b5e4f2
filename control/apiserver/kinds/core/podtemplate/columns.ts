/** Columns of PodTemplates. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { PodTemplate } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { column, containerCells, labelsText, nameColumn } from '../../columns.ts';

/** The table of PodTemplates: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const podTemplateColumns: TableColumns<PodTemplate> = {
  columns: [
    nameColumn,
    column('Containers', 'The names of the containers in the template.'),
    column('Images', 'The images of the containers in the template.'),
    column('Pod Labels', 'The labels that pods made from the template get.'),
  ],
  cells: ({ metadata, template }) => [
    metadata.name,
    ...containerCells(template?.spec?.containers),
    labelsText(template?.metadata?.labels),
  ],
};
