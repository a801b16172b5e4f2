/** PodTemplates. Source: upstream `pkg/registry/core/podtemplate/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { validateTemplate } from '../../../validation/pod-spec/pod-template.ts';
import { defineKind } from '../../define-kind.ts';
import { podTemplateColumns } from './columns.ts';

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
