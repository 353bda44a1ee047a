import type { z } from "zod";
import type { CustomResource } from "./custom-resource.ts";
import { API_GROUP, API_VERSION_NAME } from "./group.ts";
import { structuralSchema } from "./structural-schema.ts";
import type { Json, StructuralSchema } from "./structural-schema.ts";

/** An apiextensions.k8s.io/v1 CustomResourceDefinition. */
export type CustomResourceDefinition = {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: "Cluster" | "Namespaced";
    readonly names: {
      readonly kind: string;
      readonly listKind: string;
      readonly plural: string;
      readonly singular: string;
      readonly shortNames: readonly string[];
      readonly categories: readonly string[];
    };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly additionalPrinterColumns: readonly object[];
      readonly subresources: { readonly status?: Readonly<Record<string, never>> };
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
    }[];
  };
};

/** The CustomResourceDefinition of a kind, as the API server takes it. */
export function customResourceDefinition(
  resource: CustomResource<string, z.ZodType, z.ZodObject>,
): CustomResourceDefinition {
  const hasStatus = Object.keys(resource.status.shape).length > 0;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${resource.plural}.${API_GROUP}` },
    spec: {
      group: API_GROUP,
      scope: resource.scope,
      names: {
        kind: resource.kind,
        listKind: `${resource.kind}List`,
        plural: resource.plural,
        singular: resource.singular,
        shortNames: resource.shortNames,
        categories: resource.categories,
      },
      versions: [
        {
          name: API_VERSION_NAME,
          served: true,
          storage: true,
          additionalPrinterColumns: resource.columns,
          subresources: hasStatus ? { status: {} } : {},
          schema: { openAPIV3Schema: rootSchema(resource, hasStatus) },
        },
      ],
    },
  };
}

function rootSchema(
  resource: CustomResource<string, z.ZodType, z.ZodObject>,
  hasStatus: boolean,
): StructuralSchema {
  const spec = structuralSchema(resource.spec);
  return {
    type: "object",
    description: resource.description,
    ...(resource.specRequired ? { required: ["spec"] } : {}),
    ...(resource.rules.length > 0
      ? { "x-kubernetes-validations": resource.rules.map((rule): Json => ({ ...rule })) }
      : {}),
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: resource.specRequired ? spec : { ...spec, default: {} },
      ...(hasStatus ? { status: structuralSchema(resource.status) } : {}),
    },
  };
}
