-- One record per buyer, and buyers per cell: the exact counts of inquiry d1b01ce17826932138289947fb057b7a48e33e240cffed3c53af31ef0e55afcb.
-- They are secret: dpnotice adds noise to them before anything leaves. This text is for review.

SET TIME ZONE 'UTC';

CREATE TEMPORARY VIEW `dpnotice_products` AS
SELECT CAST('42' AS STRING) AS `listed`
UNION ALL SELECT CAST('p' AS STRING) AS `listed`;

CREATE TEMPORARY VIEW `dpnotice_levels_state` AS
SELECT CAST('CA' AS STRING) AS `listed`, CAST(0 AS BIGINT) AS `level_state`
UNION ALL SELECT CAST('NY' AS STRING) AS `listed`, CAST(1 AS BIGINT) AS `level_state`;

CREATE TEMPORARY VIEW `dpnotice_levels_age` AS
SELECT CAST('young' AS STRING) AS `listed`, CAST(0 AS BIGINT) AS `level_age`
UNION ALL SELECT CAST('old' AS STRING) AS `listed`, CAST(1 AS BIGINT) AS `level_age`;

SELECT
  `t27`.`cell`,
  COUNT(*) AS `buyers`
FROM (
  SELECT
    `t26`.`buyer`,
    `t26`.`cell` + COALESCE(`t18`.`cell`, 2) AS `cell`
  FROM (
    SELECT
      `t24`.`buyer`,
      8 - (
        `t24`.`key` % 9
      ) AS `cell`
    FROM (
      SELECT
        `t23`.`buyer`,
        MAX(`t23`.`key`) AS `key`
      FROM (
        SELECT
          `t22`.`buyer`,
          `t22`.`since`,
          `t22`.`cell`,
          (
            `t22`.`since` * 9
          ) + (
            8 - `t22`.`cell`
          ) AS `key`
        FROM (
          SELECT
            `t21`.`buyer`,
            `t21`.`since`,
            0 + (
              COALESCE(`t11`.`level_state`, 2) * 3
            ) AS `cell`
          FROM (
            SELECT
              `t19`.`id` AS `buyer`,
              DATEDIFF(
                SECOND,
                CAST('2020-01-01T05:00:00+00:00' AS TIMESTAMP),
                DATE_TRUNC('second', `t19`.`moment`)
              ) AS `since`,
              `t19`.`raw_state` AS `text_state`
            FROM (
              SELECT
                *
              FROM (
                SELECT
                  `t14`.`id`,
                  `t14`.`product`,
                  `t14`.`moment`,
                  `t14`.`raw_state`
                FROM (
                  SELECT
                    `t3`.`id`,
                    `t3`.`sku` AS `product`,
                    `t3`.`moment`,
                    `t3`.`st` AS `raw_state`
                  FROM `sales` AS `t3`
                  WHERE
                    `t3`.`moment` >= CAST('2020-01-01T05:00:00+00:00' AS TIMESTAMP)
                    AND `t3`.`moment` < CAST('2021-01-01T05:00:00+00:00' AS TIMESTAMP)
                ) AS `t14`
                LEFT SEMI JOIN (
                  SELECT
                    `t4`.`listed` AS `product`
                  FROM `dpnotice_products` AS `t4`
                ) AS `t13`
                  ON `t14`.`product` = `t13`.`product`
              ) AS `t16`
              WHERE
                `t16`.`id` IS NOT NULL
                AND TRIM(CONCAT(
                  CONCAT(CONCAT(CONCAT(CONCAT(' ', CHR(  9)), CHR(  10)), CHR(  11)), CHR(  12)),
                  CHR(  13)
                ) FROM `t16`.`id`) <> ''
            ) AS `t19`
          ) AS `t21`
          LEFT OUTER JOIN (
            SELECT
              `t2`.`level_state`,
              `t2`.`listed` AS `is_state`
            FROM `dpnotice_levels_state` AS `t2`
          ) AS `t11`
            ON `t21`.`text_state` = `t11`.`is_state`
        ) AS `t22`
      ) AS `t23`
      GROUP BY
        1
    ) AS `t24`
  ) AS `t26`
  LEFT OUTER JOIN (
    SELECT
      `t15`.`buyer`,
      MIN(`t15`.`cell`) AS `cell`
    FROM (
      SELECT
        `t9`.`buyer`,
        0 + (
          COALESCE(`t10`.`level_age`, 2) * 1
        ) AS `cell`
      FROM (
        SELECT
          `t0`.`cust` AS `buyer`,
          `t0`.`age` AS `text_age`
        FROM `customers` AS `t0`
      ) AS `t9`
      LEFT OUTER JOIN (
        SELECT
          `t1`.`level_age`,
          `t1`.`listed` AS `is_age`
        FROM `dpnotice_levels_age` AS `t1`
      ) AS `t10`
        ON `t9`.`text_age` = `t10`.`is_age`
    ) AS `t15`
    GROUP BY
      1
  ) AS `t18`
    ON `t26`.`buyer` = `t18`.`buyer`
) AS `t27`
GROUP BY
  1;
