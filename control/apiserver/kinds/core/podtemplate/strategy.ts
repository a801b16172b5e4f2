/** PodTemplates. Source: upstream `pkg/registry/core/podtemplate/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { validateTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { defineKind } from '../../define-kind.ts';
import { podTemplateColumns } from './columns.ts';

/** A stored pod template. No controller reads it; the generation counts changes of the template. */
export const podTemplateKind = defineKind({
  resource: 'podtemplates',
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.template ??= {};
  },
  podTemplate: 'template',
  generation: ({ template }) => template,
  validate: ({ template = {} }) => validateTemplate(template, 'template'),
  columns: podTemplateColumns,
});
