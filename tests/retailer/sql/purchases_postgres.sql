-- One record per buyer, and buyers per cell: the exact counts of inquiry d1b01ce17826932138289947fb057b7a48e33e240cffed3c53af31ef0e55afcb.
-- They are secret: dpnotice adds noise to them before anything leaves. This text is for review.

SET TimeZone = 'UTC';

CREATE TEMPORARY TABLE "dpnotice_products" AS
SELECT CAST('42' AS TEXT) AS "listed"
UNION ALL SELECT CAST('p' AS TEXT) AS "listed";

CREATE TEMPORARY TABLE "dpnotice_levels_state" AS
SELECT CAST('CA' AS TEXT) AS "listed", CAST(0 AS BIGINT) AS "level_state"
UNION ALL SELECT CAST('NY' AS TEXT) AS "listed", CAST(1 AS BIGINT) AS "level_state";

CREATE TEMPORARY TABLE "dpnotice_levels_age" AS
SELECT CAST('young' AS TEXT) AS "listed", CAST(0 AS BIGINT) AS "level_age"
UNION ALL SELECT CAST('old' AS TEXT) AS "listed", CAST(1 AS BIGINT) AS "level_age";

SELECT
  "t19"."cell",
  COUNT(*) AS "buyers"
FROM (
  SELECT
    "t18"."buyer",
    8 - (
      "t18"."key" % 9
    ) AS "cell"
  FROM (
    SELECT
      "t17"."buyer",
      MAX("t17"."key") AS "key"
    FROM (
      SELECT
        "t16"."buyer",
        "t16"."since",
        "t16"."cell",
        (
          "t16"."since" * 9
        ) + (
          8 - "t16"."cell"
        ) AS "key"
      FROM (
        SELECT
          "t15"."buyer",
          "t15"."since",
          0 + (
            COALESCE("t7"."level_state", 2) * 3
          ) + (
            COALESCE("t8"."level_age", 2) * 1
          ) AS "cell"
        FROM (
          SELECT
            "t13"."id" AS "buyer",
            CAST(EXTRACT(epoch FROM CAST(DATE_TRUNC('SECOND', "t13"."moment") AS TIMESTAMP) - CAST(CAST('2020-01-01T05:00:00+00:00' AS TIMESTAMPTZ) AS TIMESTAMP)) AS BIGINT) AS "since",
            "t13"."raw_state" AS "text_state",
            "t13"."raw_age" AS "text_age"
          FROM (
            SELECT
              *
            FROM (
              SELECT
                "t11"."id",
                "t11"."product",
                "t11"."moment",
                "t11"."raw_state",
                "t11"."raw_age"
              FROM (
                SELECT
                  "t2"."id",
                  "t2"."sku" AS "product",
                  "t2"."moment",
                  "t2"."st" AS "raw_state",
                  "t2"."age" AS "raw_age"
                FROM "sales" AS "t2"
                WHERE
                  "t2"."moment" >= CAST('2020-01-01T05:00:00+00:00' AS TIMESTAMPTZ)
                  AND "t2"."moment" < CAST('2021-01-01T05:00:00+00:00' AS TIMESTAMPTZ)
              ) AS "t11"
              WHERE
                EXISTS(
                  SELECT
                    1
                  FROM (
                    SELECT
                      "t3"."listed" AS "product"
                    FROM "dpnotice_products" AS "t3"
                  ) AS "t10"
                  WHERE
                    "t11"."product" = "t10"."product"
                )
            ) AS "t12"
            WHERE
              "t12"."id" IS NOT NULL
              AND TRIM(' ' || CHR(  9) || CHR(  10) || CHR(  11) || CHR(  12) || CHR(  13) FROM "t12"."id") <> ''
          ) AS "t13"
        ) AS "t15"
        LEFT OUTER JOIN (
          SELECT
            "t0"."level_state",
            "t0"."listed" AS "is_state"
          FROM "dpnotice_levels_state" AS "t0"
        ) AS "t7"
          ON "t15"."text_state" = "t7"."is_state"
        LEFT OUTER JOIN (
          SELECT
            "t1"."level_age",
            "t1"."listed" AS "is_age"
          FROM "dpnotice_levels_age" AS "t1"
        ) AS "t8"
          ON "t15"."text_age" = "t8"."is_age"
      ) AS "t16"
    ) AS "t17"
    GROUP BY
      1
  ) AS "t18"
) AS "t19"
GROUP BY
  1;
