// The JDBC driver does what it can do; everything is printed, and compared with what it prints without a gateway.
import java.io.*;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.*;

class WithJdbc {
  static PrintStream out;

  public static void main(String[] arguments) throws Exception {
    out = new PrintStream(System.out, true, "UTF-8");
    Map<String, String> env = System.getenv();
    String url = "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE");
    Properties properties = new Properties();
    properties.setProperty("user", env.get("PGUSER"));
    properties.setProperty("password", env.get("PGPASSWORD"));
    properties.setProperty("sslmode", "verify-full");
    properties.setProperty("sslrootcert", env.get("PGSSLROOTCERT"));
    if (arguments.length > 0) properties.setProperty("preferQueryMode", arguments[0]);
    try (Connection c = DriverManager.getConnection(url, properties)) {
      boolean isSimple = arguments.length > 0 && arguments[0].equals("simple");
      if (!isSimple) types(c); // bytea is beyond the driver then
      prepared(c);
      errors(c);
      batch(c);
      cursors(c);
      transactions(c);
      if (arguments.length == 0) {
        copy(c);
        largeObjects(c);
      }
      metadata(c);
      notifications(c);
    }
  }

  static void rows(ResultSet results) throws SQLException {
    int columns = results.getMetaData().getColumnCount(), count = 0;
    while (results.next()) {
      if (++count > 3) continue;
      StringJoiner row = new StringJoiner(", ");
      for (int n = 1; n <= columns; n++) row.add(text(results, n));
      out.println(row);
    }
    out.println("rows " + count);
  }

  static String text(ResultSet results, int n) throws SQLException {
    String type = results.getMetaData().getColumnTypeName(n);
    return type + " " + (type.equals("bytea") ? Arrays.toString(results.getBytes(n)) : results.getString(n));
  }

  static void types(Connection c) throws Exception {
    try (PreparedStatement s = c.prepareStatement("select ?::int, ?::text, ?::text, ?, ?, ?, ?, ?::date")) {
      for (int time = 0; time < 7; time++) {
        s.setInt(1, 7);
        s.setString(2, "ünïcode");
        s.setNull(3, Types.VARCHAR);
        s.setBoolean(4, true);
        s.setBytes(5, new byte[] {0, -1});
        s.setBigDecimal(6, new java.math.BigDecimal("1.50"));
        s.setDouble(7, 0.1);
        s.setString(8, "2020-02-02");
        rows(s.executeQuery());
      }
    }
  }

  // By the fifth use the statement is prepared under a name; then its results are binary.
  static void prepared(Connection c) throws Exception {
    try (PreparedStatement s = c.prepareStatement("select id, name from customers where id between ? and ? + 2 order by id")) {
      for (int time = 1; time <= 8; time++) {
        s.setInt(1, time);
        s.setInt(2, time);
        rows(s.executeQuery());
      }
    }
    try (Statement s = c.createStatement()) {
      boolean more = s.execute("select 1; select 2 as b, 3 as c; update customers set name = name where id < 4; select 4");
      while (more || s.getUpdateCount() != -1) {
        if (more) rows(s.getResultSet());
        else out.println("updated " + s.getUpdateCount());
        more = s.getMoreResults();
      }
    }
  }

  static void fails(String sql, Connection c) {
    try (PreparedStatement s = c.prepareStatement(sql)) {
      s.execute();
      out.println("no error");
    } catch (SQLException error) {
      out.println(error.getSQLState() + " " + error.getMessage());
    }
  }

  static void errors(Connection c) throws Exception {
    fails("selec", c);
    fails("select 1/0", c);
    fails("select * from no_such_table", c);
    fails("insert into customers values (1, 'twice', null)", c);
    fails("create role somebody", c);
    try (Statement s = c.createStatement()) {
      s.execute("do $$ begin raise warning 'a warning'; end $$");
      for (SQLWarning w = s.getWarnings(); w != null; w = w.getNextWarning()) out.println(w.getSQLState() + " " + w.getMessage());
      s.setQueryTimeout(1);
      try { s.execute("select pg_sleep(60)"); } catch (SQLException error) { out.println(error.getSQLState() + " " + error.getMessage()); }
    }
  }

  static void batch(Connection c) throws Exception {
    c.setAutoCommit(false);
    try (PreparedStatement s = c.prepareStatement("insert into customers values (?, ?, null)")) {
      for (int n = 0; n < 500; n++) {
        s.setInt(1, 4000 + n);
        s.setString(2, "batch " + n);
        s.addBatch();
      }
      out.println("batch " + Arrays.stream(s.executeBatch()).sum());
    }
    try (PreparedStatement s = c.prepareStatement("insert into customers values (?, 'again', null)")) {
      for (int n : new int[] {6000, 4001, 6001}) {
        s.setInt(1, n);
        s.addBatch();
      }
      s.executeBatch();
    } catch (BatchUpdateException error) {
      out.println(error.getSQLState() + " " + Arrays.toString(error.getUpdateCounts()));
    }
    c.rollback();
    c.setAutoCommit(true);
  }

  static void cursors(Connection c) throws Exception {
    c.setAutoCommit(false);
    try (PreparedStatement s = c.prepareStatement("select * from orders where id <= ? order by id")) {
      s.setFetchSize(100);
      s.setInt(1, 950);
      int count = 0;
      try (ResultSet results = s.executeQuery()) { while (results.next()) count++; }
      out.println("fetched " + count);
      try (ResultSet results = s.executeQuery()) { results.next(); }
      out.println("closed early");
    }
    c.commit();
    c.setAutoCommit(true);
  }

  static void transactions(Connection c) throws Exception {
    c.setAutoCommit(false);
    c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    try (Statement s = c.createStatement()) {
      s.executeUpdate("insert into customers values (7000, 'x', null)");
      Savepoint savepoint = c.setSavepoint("here");
      fails("insert into customers values (7000, 'y', null)", c);
      fails("select 'skipped'", c);
      c.rollback(savepoint);
      rows(s.executeQuery("select count(*) from customers where id = 7000"));
    }
    c.rollback();
    c.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    c.setAutoCommit(true);
  }

  static void copy(Connection c) throws Exception {
    try (Statement s = c.createStatement()) { s.execute("create temp table copied (id int, name text)"); }
    CopyManager copies = c.unwrap(PGConnection.class).getCopyAPI();
    StringBuilder text = new StringBuilder();
    for (int n = 0; n < 20000; n++) text.append(n).append("\tname ").append(n).append("\n");
    out.println("copied in " + copies.copyIn("copy copied from stdin", new StringReader(text.toString())));
    StringWriter copied = new StringWriter();
    out.println("copied out " + copies.copyOut("copy copied to stdout", copied) + " " + copied.toString().equals(text.toString()));
    try {
      copies.copyIn("copy copied from stdin", new StringReader("x\ty\n"));
    } catch (SQLException error) {
      out.println(error.getSQLState() + " " + error.getMessage());
    }
    var broken = copies.copyIn("copy copied from stdin");
    broken.writeToCopy("1\tx\n".getBytes(), 0, 4);
    broken.cancelCopy();
    try (Statement s = c.createStatement()) { rows(s.executeQuery("select count(*) from copied")); }
  }

  // The driver calls functions of the server by the fast path.
  static void largeObjects(Connection c) throws Exception {
    c.setAutoCommit(false);
    LargeObjectManager objects = c.unwrap(PGConnection.class).getLargeObjectAPI();
    long oid = objects.createLO();
    LargeObject object = objects.open(oid);
    object.write(new byte[100_000]);
    object.seek(50_000);
    object.write("inside".getBytes());
    object.seek(49_999);
    byte[] read = object.read(8);
    out.println(Arrays.toString(read) + " " + object.size());
    object.close();
    objects.delete(oid);
    c.commit();
    c.setAutoCommit(true);
  }

  // What a GUI asks before it shows anything.
  static void metadata(Connection c) throws Exception {
    DatabaseMetaData data = c.getMetaData();
    out.println(data.getDatabaseProductVersion() + " " + data.getDriverVersion());
    rows(data.getTables(null, "public", "%", new String[] {"TABLE"}));
    rows(data.getColumns(null, "public", "customers", "%"));
    rows(data.getPrimaryKeys(null, "public", "customers"));
    rows(data.getImportedKeys(null, "public", "orders"));
    rows(data.getIndexInfo(null, "public", "customers", false, false));
    out.println(c.isValid(5) + " " + c.getCatalog() + " " + c.getSchema());
  }

  static void notifications(Connection c) throws Exception {
    try (Statement s = c.createStatement()) {
      s.execute("listen here");
      s.execute("notify here, 'to myself'");
    }
    var notifications = c.unwrap(PGConnection.class).getNotifications(1000);
    out.println(notifications.length + " " + notifications[0].getName() + " " + notifications[0].getParameter());
  }
}
