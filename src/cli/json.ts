/** What a command may answer with `-o json`. There is no bigint in it: 64-bit values are strings. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };
