<%
' old: "Server=x;Database=old"
dim connstr
connstr = "Provider=SQLOLEDB;Data Source=127.0.0.1;Initial Catalog=aspdb;User ID=asp;Password=never-Shown-5a1;"
%>
